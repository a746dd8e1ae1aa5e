//! Standard output: written whole, coloured only where it is a terminal that wants colours.

use std::io::{self, Write};

use anyhow::Context;

/// Prints a text; its colours are taken out unless standard output is a terminal and `NO_COLOR` is not set.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut output = anstream::AutoStream::auto(io::stdout().lock());
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // Whoever reads has seen enough, as in `hatchway … | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}
