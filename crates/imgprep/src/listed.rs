//! Lists in messages.

/// `a, b and c`, with `and` or another conjunction.
pub fn listed<S: AsRef<str>>(items: &[S], conjunction: &str) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        match index {
            0 => {}
            _ if index + 1 == items.len() => text += &format!(" {conjunction} "),
            _ => text += ", ",
        }
        text += item.as_ref();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_item_follows_the_conjunction() {
        let list = |items: &[&str]| listed(items, "or");
        assert_eq!(
            [list(&[]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])],
            ["", "a", "a or b", "a, b or c"]
        );
    }
}
