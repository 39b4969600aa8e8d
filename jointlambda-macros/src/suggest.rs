//! Words for messages: lists of options, and the option that was probably meant.

/// `` `a`, `b` and `c` ``.
pub(crate) fn all_of<T: ToString>(options: impl IntoIterator<Item = T>) -> String {
    listed(options, "and")
}

/// `` `a`, `b` or `c` ``.
pub(crate) fn one_of<T: ToString>(options: impl IntoIterator<Item = T>) -> String {
    listed(options, "or")
}

fn listed<T: ToString>(options: impl IntoIterator<Item = T>, last: &str) -> String {
    let options = options.into_iter().map(|option| format!("`{}`", option.to_string())).collect::<Vec<_>>();
    match options.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// ``did you mean `x`? `` when an option is close to `word`, else nothing.
pub(crate) fn did_you_mean<T: ToString>(word: &str, options: impl IntoIterator<Item = T>) -> String {
    let distances = options.into_iter().map(|option| {
        let option = option.to_string();
        (distance(&word.to_lowercase(), &option.to_lowercase()), option)
    });
    // At most a third of the word may be wrong, and always one letter.
    let bound = (word.chars().count() / 3).max(1);
    match distances.filter(|(distance, _)| *distance <= bound).min_by_key(|(distance, _)| *distance) {
        Some((_, option)) => format!("did you mean `{option}`? "),
        None => String::new(),
    }
}

/// The edit distance, an exchange of neighbours counted as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.chars().collect::<Vec<_>>(), b.chars().collect::<Vec<_>>());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_read_as_prose() {
        assert_eq!(all_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b"]), "`a` or `b`");
        assert_eq!(all_of(["a", "b", "c"]), "`a`, `b` and `c`");
    }

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_is_not() {
        let keys = ["memory", "timeout", "on"];
        assert_eq!(did_you_mean("memroy", keys), "did you mean `memory`? ");
        assert_eq!(did_you_mean("Timeout", keys), "did you mean `timeout`? ");
        assert_eq!(did_you_mean("no", keys), "did you mean `on`? ");
        assert_eq!(did_you_mean("ram", keys), "");
    }
}
