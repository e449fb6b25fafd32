//! Amounts as the drill counts them itself: in thousandths.

/// As text, as a client sends it.
pub(crate) fn text(thousandths: i64) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, part) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    if part == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part:03}") }
}

/// Out of a reply.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("no amount in thousandths: {text}");
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(wrong());
    }
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let part: i64 = format!("{part:0<3}").parse().map_err(|_| wrong())?;
    Ok(sign * (whole * 1000 + part))
}

#[test]
fn amounts_read_back() {
    for (thousandths, shown) in [(0, "0"), (1500, "1.500"), (-20, "-0.020"), (7000, "7"), (-1_234_567, "-1234.567")] {
        assert_eq!(text(thousandths), shown);
        assert_eq!(parse(shown), Ok(thousandths));
    }
    assert_eq!(parse("1.5"), Ok(1500));
    assert!(parse("1.2345").is_err() && parse("-ERR").is_err() && parse("1e3").is_err());
}
