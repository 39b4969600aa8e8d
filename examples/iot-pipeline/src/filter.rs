//! Filters over a series, in integers: the same result to the last bit on every machine.

/// Replaces each value by the middle one of itself and its two neighbours: a spike of one sample
/// disappears, an edge stays. The two ends stay as they are.
pub(crate) fn median(series: &[i32]) -> Vec<i32> {
    windows(series, |[a, b, c]| a.max(b).min(a.min(b).max(c)))
}

/// Replaces each value by the mean of itself, twice, and its two neighbours: noise is damped, a
/// straight line stays. The two ends stay as they are.
pub(crate) fn smooth(series: &[i32]) -> Vec<i32> {
    windows(series, |[a, b, c]| {
        let sum = i64::from(a) + 2 * i64::from(b) + i64::from(c);
        // Halves are rounded up, so that a shifted series gives the shifted result.
        (sum + 2).div_euclid(4) as i32
    })
}

fn windows(series: &[i32], middle: impl Fn([i32; 3]) -> i32) -> Vec<i32> {
    let mut out = series.to_vec();
    for (slot, window) in out.iter_mut().skip(1).zip(series.windows(3)) {
        *slot = middle([window[0], window[1], window[2]]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_removes_a_spike_and_keeps_an_edge() {
        assert_eq!(median(&[1, 1, 90, 1, 5, 5, 5]), [1, 1, 1, 5, 5, 5, 5]);
        for window in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
            assert_eq!(median(&window)[1], 2, "{window:?}");
        }
    }

    #[test]
    fn smoothing_damps_noise_and_keeps_a_line() {
        assert_eq!(smooth(&[0, 8, 0, 8, 0]), [0, 4, 4, 4, 0]);
        assert_eq!(smooth(&[3, 5, 7, 9]), [3, 5, 7, 9]);
    }

    #[test]
    fn short_series_stay_as_they_are() {
        for series in [&[][..], &[7], &[7, 9]] {
            assert_eq!(median(series), series);
            assert_eq!(smooth(series), series);
        }
    }
}
