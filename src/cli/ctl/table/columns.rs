//! Cells in columns, as wide as their widest.

/// A table with its heading; each row as long as the heading.
pub(super) fn columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(heading.iter().map(|&cell| cell.to_owned()))
        .map(Iterator::collect)
        .chain(
            rows.iter()
                .map(|row| row.iter().map(|cell| clean(cell)).collect()),
        )
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row: &Vec<String>| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, &width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let padding = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Without control characters, and without those that turn the direction of what follows.
pub(super) fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if c.is_control() || turns(c) { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn cells_stand_below_their_heading_and_lines_end_without_blanks() {
        let rows = [row(&["7", "Ana"]), row(&["1002", ""])];
        assert_eq!(
            columns(&["ID", "NAME"], &rows),
            "ID    NAME\n7     Ana\n1002\n"
        );
    }

    #[test]
    fn a_text_from_the_network_cannot_steer_the_terminal() {
        let rows = [row(&["\x1b[2Jgone\nnext \u{202e}drow"])];
        assert_eq!(columns(&["TEXT"], &rows), "TEXT\n [2Jgone next  drow\n");
    }
}
