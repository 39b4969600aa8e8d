//! The forms in which the services write a time. Times are milliseconds since the Unix epoch.

/// How far the clock of a client may be from the service's, in milliseconds: 15 minutes.
pub const SKEW_MS: u64 = 15 * 60 * 1000;

const SECOND_MS: u64 = 1000;
const DAY_S: u64 = 24 * 60 * 60;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2026-01-02T03:04:05Z`: Function Compute.
pub fn seconds(ms: u64) -> String {
    let Parts { year, month, day, hour, minute, second, .. } = Parts::of(ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-01-02T03:04:05.000Z`: TableStore and the listings of OSS.
pub fn milliseconds(ms: u64) -> String {
    let whole = seconds(ms);
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), ms % SECOND_MS)
}

/// `20260102T030405Z`: OSS.
pub fn compact(ms: u64) -> String {
    seconds(ms).replace(['-', ':'], "")
}

/// `20260102`: the date of a V4 signature.
pub fn date(ms: u64) -> String {
    compact(ms)[..8].to_owned()
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`: HTTP.
pub fn http(ms: u64) -> String {
    let Parts { year, month, day, hour, minute, second, weekday } = Parts::of(ms);
    let month = MONTHS[month as usize - 1];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Reads [`seconds`], [`milliseconds`] (or microseconds) and [`compact`].
pub fn parse(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = match whole.len() {
        15 if whole.as_bytes()[8] == b'T' => whole.replacen('T', "", 1),
        19 => {
            let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
            if marks.iter().any(|&(at, mark)| whole.as_bytes()[at] != mark) {
                return None;
            }
            whole.replace(['-', ':', 'T'], "")
        }
        _ => return None,
    };
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits[from..to].parse::<u64>().ok();
    let ms = format!("{fraction:0<3}")[..3].parse::<u64>().ok()?;
    let whole = join(
        number(0, 4)?,
        number(4, 6)?,
        number(6, 8)?,
        [number(8, 10)?, number(10, 12)?, number(12, 14)?],
    )?;
    Some(whole + ms)
}

/// Reads [`http`].
pub fn parse_http(text: &str) -> Option<u64> {
    let (weekday, rest) = text.split_once(", ")?;
    let parts: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let clock: Vec<u64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let ms = join(year.parse().ok()?, month, day.parse().ok()?, clock.try_into().ok()?)?;
    (Parts::of(ms).weekday == weekday).then_some(ms)
}

struct Parts {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    weekday: &'static str,
}

impl Parts {
    /// Howard Hinnant's `civil_from_days`, whose years begin in March.
    fn of(ms: u64) -> Self {
        let total = ms / SECOND_MS;
        let (days, second) = (total / DAY_S, total % DAY_S);
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Parts {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: WEEKDAYS[(days % 7) as usize],
        }
    }
}

fn join(year: u64, month: u64, day: u64, [hour, minute, second]: [u64; 3]) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    Some((days * DAY_S + hour * 3600 + minute * 60 + second) * SECOND_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 1_767_323_045_000;

    #[test]
    fn the_forms_are_those_of_the_services() {
        assert_eq!(seconds(AT), "2026-01-02T03:04:05Z");
        assert_eq!(milliseconds(AT + 7), "2026-01-02T03:04:05.007Z");
        assert_eq!(compact(AT), "20260102T030405Z");
        assert_eq!(date(AT), "20260102");
        assert_eq!(http(AT), "Fri, 02 Jan 2026 03:04:05 GMT");
    }

    #[test]
    fn what_is_written_is_read_again_on_every_day_of_many_years() {
        for day in 0..80_000 {
            let ms = day * DAY_S * SECOND_MS + 12_345_678;
            assert_eq!(parse(&milliseconds(ms)), Some(ms));
            assert_eq!(parse(&compact(ms)), Some(ms / 1000 * 1000));
            assert_eq!(parse_http(&http(ms)), Some(ms / 1000 * 1000));
        }
    }

    #[test]
    fn nothing_else_is_read() {
        let not = [
            "",
            "Z",
            "2026-01-02T03:04:05",
            "2026-13-02T03:04:05Z",
            "2026-01-02 03:04:05Z",
            "20260102T0304Z",
        ];
        for text in not.iter().chain(&["1026-01-02T03:04:05Z", "2026é01-02T03:04:05Z", "20260102T030405.éZ"])
        {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in ["", "Fri, 02 Jan 2026", "Mon, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:05 UTC"]
        {
            assert_eq!(parse_http(text), None, "{text}");
        }
    }
}
