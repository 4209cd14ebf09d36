//! Figures as a table.

use report::Bench;

/// One line a figure, in the order in which they were measured, under a heading.
pub(super) fn render<'a, 'b: 'a>(benches: impl Iterator<Item = &'a Bench<'b>>) -> String {
    let heading = ["name", "median", "unit", "n"].map(str::to_owned);
    let figures = benches.map(|bench| {
        [bench.name.to_string(), bench.value.to_string(), bench.unit.to_string(), bench.n.to_string()]
    });
    let rows: Vec<[String; 4]> = std::iter::once(heading).chain(figures).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [name, value, unit, n] = [width(0), width(1), width(2), width(3)];
    rows.iter()
        .map(|row| format!("{:name$}  {:>value$}  {:unit$}  {:>n$}\n", row[0], row[1], row[2], row[3]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let bench = |name: &'static str, value| Bench {
            t: 0,
            name: name.into(),
            unit: "instructions".into(),
            value,
            n: 1000,
        };
        let text = render([bench("map_4k", 42), bench("boot_to_protected", 9_000_000)].iter());
        assert_eq!(
            text,
            "name                median  unit             n\n\
             map_4k                  42  instructions  1000\n\
             boot_to_protected  9000000  instructions  1000\n"
        );
    }
}
