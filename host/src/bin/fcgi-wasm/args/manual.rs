//! The parts of the command line about the command line itself.

use std::path::PathBuf;

use clap::Args as ArgGroup;

/// Print a shell's completions for this program
#[derive(ArgGroup, Debug)]
#[command(after_help = "For bash: fcgi-wasm completions bash \
    > ~/.local/share/bash-completion/completions/fcgi-wasm")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Write the manual pages, one for each command
#[derive(ArgGroup, Debug)]
pub(crate) struct Man {
    /// The folder to write them to, such as ~/.local/share/man/man1
    pub(crate) folder: PathBuf,
}
