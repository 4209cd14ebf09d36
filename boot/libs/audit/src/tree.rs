//! A tree in text.

use std::io::{self, Write};

/// A line with lines below it.
#[derive(Debug, Default)]
pub(super) struct Node {
    text: String,
    children: Vec<Node>,
}

impl Node {
    /// A line, with `children` below it.
    pub(super) fn new(text: impl Into<String>, children: impl IntoIterator<Item = Self>) -> Self {
        Self { text: text.into(), children: children.into_iter().collect() }
    }

    /// A line without others below it.
    pub(super) fn leaf(text: impl Into<String>) -> Self {
        Self::new(text, [])
    }
}

/// Writes trees below each other, with lines that join parent and child.
pub(super) fn write(output: &mut dyn Write, nodes: &[Node]) -> io::Result<()> {
    write_below(output, nodes, "")
}

fn write_below(output: &mut dyn Write, nodes: &[Node], indent: &str) -> io::Result<()> {
    for (index, node) in nodes.iter().enumerate() {
        let (branch, below) =
            if index + 1 == nodes.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        writeln!(output, "{indent}{branch}{}", node.text)?;
        write_below(output, &node.children, &format!("{indent}{below}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_join_parents_and_children() {
        let nodes = [Node::new("a", [Node::leaf("b"), Node::leaf("c")]), Node::new("d", [Node::leaf("e")])];
        let mut output = Vec::new();
        write(&mut output, &nodes).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "├─ a\n│  ├─ b\n│  └─ c\n└─ d\n   └─ e\n");
    }
}
