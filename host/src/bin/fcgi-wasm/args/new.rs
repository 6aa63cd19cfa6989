//! `new`'s part of the command line.

use std::path::PathBuf;

use clap::{Args as ArgGroup, ValueEnum};

/// Write a small project that builds, tests and serves, and say how
#[derive(ArgGroup, Debug)]
pub(crate) struct New {
    /// The folder to make, whose name is the project's
    #[arg(value_name = "NAME")]
    pub(crate) folder: PathBuf,
    /// The language to write it in
    #[arg(long)]
    pub(crate) lang: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Python,
    Javascript,
    Go,
    C,
}
