//! Exact decimals on the wire: a CBOR integer where the figure is whole and fits 64 bits, else a decimal fraction
//! (RFC 8949, section 3.4.4: tag 4, exponent and mantissa, the mantissa a bignum where it must be).

use super::error::WireError;
use crate::base::{Amount, Total, whole_of};
use minicbor::data::Tag;
use minicbor::{Decoder, Encoder};

const SCALE: u32 = 17;
const DECIMAL_FRACTION: Tag = Tag::new(4);
const POSITIVE_BIGNUM: Tag = Tag::new(2);
const NEGATIVE_BIGNUM: Tag = Tag::new(3);

/// Writing to memory cannot fail.
pub(super) type Writer<'a> = Encoder<&'a mut Vec<u8>>;

pub(super) fn encode_units(out: &mut Writer<'_>, units: i128) {
    if let Some(whole) = whole_of(units) {
        let _ = out.i64(whole);
        return;
    }
    let (mut mantissa, mut exponent) = (units, -i64::from(SCALE));
    while mantissa % 10 == 0 && mantissa != 0 {
        mantissa /= 10;
        exponent += 1;
    }
    let _ = out.tag(DECIMAL_FRACTION).and_then(|out| out.array(2)?.i64(exponent));
    if let Ok(small) = i64::try_from(mantissa) {
        let _ = out.i64(small);
        return;
    }
    // A negative bignum n stands for -1 - n.
    let (tag, magnitude) = if mantissa < 0 { (NEGATIVE_BIGNUM, !mantissa) } else { (POSITIVE_BIGNUM, mantissa) };
    let bytes = magnitude.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let _ = out.tag(tag).and_then(|out| out.bytes(&bytes[first..]));
}

pub(super) fn decode_units(input: &mut Decoder<'_>) -> Result<i128, WireError> {
    const OUT: WireError = WireError::Bounds("a decimal");
    if !matches!(input.datatype()?, minicbor::data::Type::Tag) {
        // Any 64-bit integer times 10^17 fits an i128.
        return Ok(i128::from(input.i64()?) * Amount::ONE.units());
    }
    if input.tag()? != DECIMAL_FRACTION || input.array()? != Some(2) {
        return Err(OUT);
    }
    let exponent = input.i64()?;
    let mantissa = decode_mantissa(input)?;
    let power = u32::try_from(exponent + i64::from(SCALE)).ok().filter(|power| *power <= 38).ok_or(OUT)?;
    mantissa.checked_mul(10_i128.checked_pow(power).ok_or(OUT)?).ok_or(OUT)
}

fn decode_mantissa(input: &mut Decoder<'_>) -> Result<i128, WireError> {
    if !matches!(input.datatype()?, minicbor::data::Type::Tag) {
        return Ok(i128::from(input.i64()?));
    }
    let tag = input.tag()?;
    let digits = input.bytes()?;
    if digits.len() > 16 || !(tag == POSITIVE_BIGNUM || tag == NEGATIVE_BIGNUM) {
        return Err(WireError::Bounds("a bignum"));
    }
    let mut bytes = [0; 16];
    bytes[16 - digits.len()..].copy_from_slice(digits);
    let magnitude = i128::try_from(u128::from_be_bytes(bytes)).map_err(|_| WireError::Bounds("a bignum"))?;
    Ok(if tag == NEGATIVE_BIGNUM { !magnitude } else { magnitude })
}

pub(super) fn decode_total(input: &mut Decoder<'_>) -> Result<Total, WireError> {
    decode_units(input).map(Total::from_units)
}

pub(super) fn decode_amount(input: &mut Decoder<'_>) -> Result<Amount, WireError> {
    Amount::from_units(decode_units(input)?).ok_or(WireError::Bounds("an amount"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(units: i128) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_units(&mut Encoder::new(&mut bytes), units);
        bytes
    }

    #[test]
    fn small_whole_figures_are_small() {
        let one = Amount::ONE.units();
        assert_eq!(bytes_of(one), [0x01]);
        assert_eq!(bytes_of(-one), [0x20]);
        assert_eq!(bytes_of(1000 * one), [0x19, 0x03, 0xe8]);
        assert_eq!(bytes_of(0), [0x00]);
        assert_eq!(bytes_of(i128::from(u32::MAX) * one), [0x1a, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(bytes_of(i128::from(i64::MIN) * one)[..2], [0x3b, 0x7f]);
        // 0.1 is tag 4 of [-1, 1].
        assert_eq!(bytes_of(one / 10), [0xc4, 0x82, 0x20, 0x01]);
    }

    proptest! {
        #[test]
        fn every_total_is_read_back(units in any::<i128>(), zeros in 0_u32..38) {
            for units in [units, units / 10_i128.pow(zeros) * 10_i128.pow(zeros)] {
                prop_assert_eq!(decode_units(&mut Decoder::new(&bytes_of(units))), Ok(units));
            }
        }

        #[test]
        fn hostile_bytes_are_refused_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode_units(&mut Decoder::new(&bytes));
        }
    }
}
