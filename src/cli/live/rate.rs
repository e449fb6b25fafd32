//! Figures as people read them.

/// A number with about three digits: `950`, `1.2k`, `34.5M`. Numbers below ten keep two digits behind the point.
pub(super) fn short(number: f64) -> String {
    let size = number.abs();
    let (scaled, unit) = match size {
        1e15.. => return format!("{number:.1e}"),
        1e12.. => (number / 1e12, "T"),
        1e9.. => (number / 1e9, "G"),
        1e6.. => (number / 1e6, "M"),
        1e4.. => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let text = match (unit, scaled.abs()) {
        ("", 100.0..) => format!("{scaled:.0}"),
        ("", _) => {
            let text = format!("{scaled:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        (_, 100.0..) => format!("{scaled:.0}"),
        _ => format!("{scaled:.1}"),
    };
    // What rounds to nothing has no sign.
    if text == "-0" { "0".to_owned() } else { text + unit }
}

/// A number of bytes: `512B`, `1.5M`.
pub(super) fn bytes(count: f64) -> String {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    if count < 1024.0 {
        return format!("{count:.0}B");
    }
    let mut scaled = count / 1024.0;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if scaled < 100.0 { format!("{scaled:.1}{}", UNITS[unit]) } else { format!("{scaled:.0}{}", UNITS[unit]) }
}

/// The number with a comma between each three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let groups = digits.as_bytes()[lead..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let first = (lead > 0).then(|| digits[..lead].to_owned());
    first.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_about_three_digits() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.001, "0"),
            (0.1, "0.1"),
            (3.0, "3"),
            (-2.5, "-2.5"),
            (123.4, "123"),
            (9_999.0, "9999"),
            (12_345.0, "12.3k"),
            (-1_234_567.0, "-1.2M"),
            (123e9, "123G"),
            (5e12, "5.0T"),
            (1e20, "1.0e20"),
        ] {
            assert_eq!(short(number), expected);
        }
    }

    #[test]
    fn bytes_are_counted_in_powers_of_1024() {
        for (count, expected) in
            [(0.0, "0B"), (1023.0, "1023B"), (1536.0, "1.5K"), (96_944_128.0, "92.5M"), (5e13, "45.5T")]
        {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (123_456, "123,456"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), expected);
        }
    }
}
