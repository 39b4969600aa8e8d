//! How numbers are written: counts, bytes, durations and amounts of money.

use std::time::Duration;

/// `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `812 B`, `1.5 kB`, `3.2 MB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `12 µs`, `3.4 ms`, `1.25 s`, `3 min 5 s`, `5 h 10 min`, `2 d 3 h`.
pub(super) fn duration(duration: Duration) -> String {
    let us = duration.as_micros();
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0} ms", us as f64 / 1e3),
        1_000_000..60_000_000 => format!("{:.2} s", us as f64 / 1e6),
        _ => match duration.as_secs() {
            s @ 0..7_200 => format!("{} min {} s", s / 60, s % 60),
            s @ 7_200..172_800 => format!("{} h {} min", s / 3_600, s / 60 % 60),
            s => format!("{} d {} h", s / 86_400, s / 3_600 % 24),
        },
    }
}

/// An amount with as many digits as its size deserves: `0.0000012`, `0.42`, `12.35`.
pub(super) fn usd(amount: f64) -> String {
    if amount == 0.0 {
        return "0".to_owned();
    }
    if amount >= 0.01 {
        return format!("{amount:.2}");
    }
    let digits = (2.0 - amount.log10().floor()).clamp(2.0, 15.0) as usize - 1;
    format!("{amount:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_thousands_separators() {
        let texts = [0, 12, 123, 1_234, 123_456, 1_234_567].map(count);
        assert_eq!(texts, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
    }

    #[test]
    fn bytes_and_durations_have_the_unit_that_fits() {
        let texts = [0, 999, 1_000, 999_999, 5_250_000, u64::MAX].map(bytes);
        assert_eq!(texts, ["0 B", "999 B", "1.0 kB", "1.0 MB", "5.2 MB", "18446744.1 TB"]);
        let texts = [5, 1_500, 42_000, 1_234_000, 185_000_000].map(|us| duration(Duration::from_micros(us)));
        assert_eq!(texts, ["5 µs", "1.5 ms", "42 ms", "1.23 s", "3 min 5 s"]);
        let texts = [7_199, 18_600, 172_800 + 10_800].map(|s| duration(Duration::from_secs(s)));
        assert_eq!(texts, ["119 min 59 s", "5 h 10 min", "2 d 3 h"]);
    }

    #[test]
    fn small_amounts_keep_two_digits() {
        let texts = [0.0, 0.000_001_234, 0.004_2, 0.42, 12.345_6].map(usd);
        assert_eq!(texts, ["0", "0.0000012", "0.0042", "0.42", "12.35"]);
    }
}
