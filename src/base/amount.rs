//! Exact amounts: signed fixed-point decimals with 17 digits after the point.
//!
//! An [`Amount`] is what a user may say or see. Nothing here may round (but for text with more than 17 fractional
//! digits), wrap or panic.

use super::whole::{is_whole, whole_of};
use std::fmt;
use std::str::FromStr;

/// Digits after the decimal point.
const SCALE_DIGITS: i64 = 17;
/// Units in one: 10^17.
pub(super) const UNITS_PER_ONE: i128 = 100_000_000_000_000_000;
/// The largest amount in units: 10^20 times 10^17.
pub(super) const LIMIT_UNITS: i128 = 10_i128.pow(37);

/// Why a text is not an amount, or why an operation has no result. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text is not a decimal number.
    #[error("value is not a valid decimal number")]
    Invalid,
    /// The number is outside -1e20..=1e20.
    #[error("value is out of range, allowed is -1e20 to 1e20")]
    OutOfRange,
    /// The number has digits that an amount cannot hold.
    #[error("value has more than 17 digits after the point")]
    Inexact,
}

/// A signed decimal with 17 fractional digits, always within -1e20..=1e20.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(UNITS_PER_ONE);
    /// The largest amount, 1e20.
    pub const MAX: Self = Self(LIMIT_UNITS);
    /// The smallest amount, -1e20.
    pub const MIN: Self = Self(-LIMIT_UNITS);

    /// An amount of `units` of 1e-17, or `None` outside the range.
    pub const fn from_units(units: i128) -> Option<Self> {
        if units >= -LIMIT_UNITS && units <= LIMIT_UNITS { Some(Self(units)) } else { None }
    }

    /// The amount in units of 1e-17.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Parses decimal text exactly: `12`, `-0.5`, `.5`, `1e3`, `2.5e-4`.
    ///
    /// More than 17 fractional digits round half to even. Linear in the length of the text.
    ///
    /// # Errors
    /// [`AmountError::Invalid`] for anything else (`nan`, `inf`, spaces, the empty text),
    /// [`AmountError::OutOfRange`] outside -1e20..=1e20.
    pub fn parse(text: &[u8]) -> Result<Self, AmountError> {
        if let Some(small) = parse_small_integer(text) {
            return Ok(Self(i128::from(small) * UNITS_PER_ONE));
        }
        parse_decimal(text).map(|(amount, _)| amount)
    }

    /// Parses decimal text as [`Self::parse`] does, and refuses what that would round.
    ///
    /// # Errors
    /// As [`Self::parse`], and [`AmountError::Inexact`] for a digit other than 0 behind the 17th after the point.
    pub fn parse_exact(text: &[u8]) -> Result<Self, AmountError> {
        match parse_decimal(text)? {
            (amount, true) => Ok(amount),
            (_, false) => Err(AmountError::Inexact),
        }
    }

    /// The sum, or an error outside the range.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`].
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        // Both are within 1e37, so the sum is within 2e37, far from the ends of an i128.
        Self::from_units(self.0 + other.0).ok_or(AmountError::OutOfRange)
    }

    /// Whether there is nothing after the decimal point.
    pub const fn is_whole(self) -> bool {
        is_whole(self.0)
    }

    /// The amount as an `i64`, when it is whole and fits.
    pub fn to_i64(self) -> Option<i64> {
        whole_of(self.0)
    }

    /// The nearest `f64`; for estimates and figures, never for counting.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / UNITS_PER_ONE as f64
    }

    /// Appends the shortest decimal text (`3`, `1.9`, `-0.00001`), never with an exponent.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        if let Some(whole) = self.to_i64() {
            out.extend_from_slice(digits.format(whole).as_bytes());
            return;
        }
        let magnitude = self.0.unsigned_abs();
        let scale = UNITS_PER_ONE.unsigned_abs();
        if self.0 < 0 {
            out.push(b'-');
        }
        out.extend_from_slice(digits.format(magnitude / scale).as_bytes());
        let fraction = magnitude % scale;
        if fraction == 0 {
            return;
        }
        out.push(b'.');
        let text = digits.format(fraction).as_bytes();
        for _ in text.len()..SCALE_DIGITS as usize {
            out.push(b'0');
        }
        let used = text.iter().rposition(|d| *d != b'0').map_or(0, |at| at + 1);
        out.extend_from_slice(&text[..used]);
    }
}

impl From<i64> for Amount {
    fn from(value: i64) -> Self {
        // An i64 is below 9.3e18, well inside the range.
        Self(i128::from(value) * UNITS_PER_ONE)
    }
}

impl std::ops::Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        // The range is symmetric.
        Self(-self.0)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(40);
        self.write_to(&mut text);
        f.pad(&String::from_utf8_lossy(&text))
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Amount {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse(text.as_bytes())
    }
}

/// The common case: an optional minus and up to 18 digits.
fn parse_small_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

/// The amount, and whether it is the number itself and not a rounded one.
fn parse_decimal(text: &[u8]) -> Result<(Amount, bool), AmountError> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (digits, exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&rest[..at], parse_exponent(&rest[at + 1..])?),
        None => (rest, 0),
    };
    let (whole, fraction) = match digits.iter().position(|b| *b == b'.') {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &digits[digits.len()..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(AmountError::Invalid);
    }
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(AmountError::Invalid);
    }
    // The power of ten of the first digit, counted in units of 1e-17.
    let first = i64::try_from(whole.len())
        .map_err(|_| AmountError::OutOfRange)?
        .saturating_sub(1)
        .saturating_add(exponent)
        .saturating_add(SCALE_DIGITS);
    let (magnitude, is_exact) = digits_to_units(whole.iter().chain(fraction), first)?;
    let units = if negative { -magnitude } else { magnitude };
    let amount = Amount::from_units(units).ok_or(AmountError::OutOfRange)?;
    Ok((amount, is_exact))
}

/// Sums digits whose first stands for `power` powers of ten, rounding what is below one unit half to even.
/// Also answers whether there was nothing to round.
fn digits_to_units<'a>(digits: impl Iterator<Item = &'a u8>, mut power: i64) -> Result<(i128, bool), AmountError> {
    let mut units = 0_i128;
    let mut half = 0_u8;
    let mut beyond_half = false;
    for digit in digits {
        let digit = digit - b'0';
        match power {
            0.. => {
                units = units * 10 + i128::from(digit);
                if units > LIMIT_UNITS {
                    return Err(AmountError::OutOfRange);
                }
            }
            -1 => half = digit,
            _ => beyond_half |= digit != 0,
        }
        power = power.saturating_sub(1);
    }
    if units != 0 {
        // Digits ran out above the unit: the missing ones are zeros.
        while power >= 0 {
            units *= 10;
            if units > LIMIT_UNITS {
                return Err(AmountError::OutOfRange);
            }
            power -= 1;
        }
    }
    let round_up = half > 5 || (half == 5 && (beyond_half || units % 2 == 1));
    Ok((units + i128::from(round_up), half == 0 && !beyond_half))
}

/// Parses the part after `e`; absurdly large exponents saturate, which the range check then catches.
fn parse_exponent(text: &[u8]) -> Result<i64, AmountError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(AmountError::Invalid);
    }
    let value =
        digits.iter().fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<String, AmountError> {
        Amount::parse(text.as_bytes()).map(|a| a.to_string())
    }

    #[test]
    fn text_is_parsed_exactly_and_printed_in_the_shortest_form() {
        for (given, printed) in [
            ("12", "12"),
            ("-0.5", "-0.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+5", "5"),
            ("1e3", "1000"),
            ("2.5e-4", "0.00025"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("007", "7"),
            ("1.90", "1.9"),
            ("-0.00001", "-0.00001"),
            ("1E+2", "100"),
            ("0e999999999999999999999", "0"),
            ("1e-999999999999999999999", "0"),
            ("100000000000000000000", "100000000000000000000"),
            ("-1e20", "-100000000000000000000"),
            ("0.00000000000000001", "0.00000000000000001"),
            ("99999999999999999999.99999999999999999", "99999999999999999999.99999999999999999"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808"),
        ] {
            assert_eq!(parse(given).as_deref(), Ok(printed), "{given}");
        }
    }

    #[test]
    fn digits_beyond_the_seventeenth_round_half_to_even() {
        for (given, printed) in [
            ("0.000000000000000005", "0"),
            ("0.000000000000000015", "0.00000000000000002"),
            ("0.0000000000000000050000001", "0.00000000000000001"),
            ("0.000000000000000025", "0.00000000000000002"),
            ("-0.000000000000000015", "-0.00000000000000002"),
            ("0.000000000000000004999", "0"),
            ("1.999999999999999999", "2"),
        ] {
            assert_eq!(parse(given).as_deref(), Ok(printed), "{given}");
        }
    }

    #[test]
    fn what_would_be_rounded_can_be_refused() {
        for text in ["3", "-0.10", "1e-17", "0.123456789012345670000", "5e-17", "1e20", "1e21"] {
            assert_eq!(Amount::parse_exact(text.as_bytes()), Amount::parse(text.as_bytes()), "{text}");
        }
        for text in ["1e-18", "0.000000000000000010000001", "3.0000000000000000049", "1e-999", "-5e-18"] {
            assert_eq!(Amount::parse_exact(text.as_bytes()), Err(AmountError::Inexact), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_decimal_number_is_refused() {
        for text in [
            "", " ", "1 ", " 1", "nan", "inf", "-inf", "infinity", ".", "-", "+", "e5", "1e", "1e+", "1.2.3", "0x10",
            "1_000", "1,5", "--1", "+-1", "1e1.5", "١",
        ] {
            assert_eq!(parse(text), Err(AmountError::Invalid), "{text:?}");
        }
        for text in [
            "100000000000000000000.00000000000000001",
            "1e21",
            "-1e21",
            "1e999999999999999999999",
            "99999999999999999999.999999999999999999999999e1",
        ] {
            assert_eq!(parse(text), Err(AmountError::OutOfRange), "{text:?}");
        }
    }

    #[test]
    fn tenths_add_up_exactly() {
        let tenth = Amount::parse(b"0.1").expect("a number");
        let fifth = Amount::parse(b"0.2").expect("a number");
        assert_eq!(tenth.checked_add(fifth).expect("in range").to_string(), "0.3");
    }

    #[test]
    fn leaving_the_range_is_an_error() {
        let unit = Amount::from_units(1).expect("in range");
        assert_eq!(Amount::MAX.checked_add(unit), Err(AmountError::OutOfRange));
        assert_eq!(Amount::MIN.checked_add(-unit), Err(AmountError::OutOfRange));
        assert_eq!(Amount::MAX.checked_add(Amount::MIN), Ok(Amount::ZERO));
    }

    fn any_amount() -> impl Strategy<Value = Amount> {
        prop_oneof![
            (-LIMIT_UNITS..=LIMIT_UNITS),
            (-1_000_i128..1_000).prop_map(|n| n * UNITS_PER_ONE),
            (-1_000_i128..1_000),
        ]
        .prop_map(|units| Amount::from_units(units).expect("within the range"))
    }

    proptest! {
        #[test]
        fn parsing_what_was_printed_gives_the_same_amount(amount in any_amount()) {
            prop_assert_eq!(Amount::parse(amount.to_string().as_bytes()), Ok(amount));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Amount::parse(&text);
        }

        #[test]
        fn no_decimal_like_text_makes_the_parser_panic(text in "[-+]?[0-9.]{0,50}(e[-+]?[0-9]{0,25})?") {
            if let Ok(amount) = Amount::parse(text.as_bytes()) {
                prop_assert_eq!(Amount::parse(amount.to_string().as_bytes()), Ok(amount));
            }
        }

        #[test]
        fn addition_commutes_and_undoes(a in any_amount(), b in any_amount()) {
            prop_assert_eq!(a.checked_add(b), b.checked_add(a));
            if let Ok(sum) = a.checked_add(b) {
                prop_assert_eq!(sum.checked_add(-b), Ok(a));
            }
        }
    }
}
