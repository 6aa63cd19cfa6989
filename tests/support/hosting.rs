//! Configurations at work, and applications that say one thing.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::process::{Program, command};
use super::wait_until;
use super::web_server::{Answer, Peer, RESPONDER, begin, get_params, params, stdin};

/// An application that says this, in WebAssembly's text format: a CGI program
/// for WASI 0.1.
pub(crate) fn saying(text: &str) -> String {
    let output = format!("content-type: text/plain\n\n{text}");
    let bytes =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:02x}")).collect() };
    let length = u32::try_from(output.len()).expect("short");
    let vector = [256, length].map(u32::to_le_bytes).concat();
    format!(
        "(module
            (import \"wasi_snapshot_preview1\" \"fd_write\"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") 1)
            (data (i32.const 8) \"{}\")
            (data (i32.const 256) \"{}\")
            (func (export \"_start\")
                (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))",
        bytes(&vector),
        bytes(output.as_bytes())
    )
}

/// Puts an application in its place as deployments should: by renaming.
pub(crate) fn deploy(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, saying(text)).expect("written");
    fs::rename(&beside, path).expect("renamed");
}

/// A configuration that is served from a folder of its own.
pub(crate) struct Hosted {
    pub(crate) program: Program,
    pub(crate) folder: PathBuf,
}

impl Hosted {
    /// Serves this configuration, whose files are written first; waits for its
    /// sockets. `files` are applications by what they say.
    #[track_caller]
    pub(crate) fn serve(config: &str, files: &[(&str, &str)], sockets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            deploy(&path, text);
        }
        Self::serve_folder(folder, config, sockets)
    }

    /// The same in a folder that is ready.
    #[track_caller]
    pub(crate) fn serve_folder(folder: TempDir, config: &str, sockets: &[&str]) -> Self {
        let path = folder.path().to_owned();
        fs::write(path.join("main.toml"), config).expect("written");
        let mut serve = command(&["serve", "-v", "--config"]);
        serve.arg(path.join("main.toml"));
        let hosted = Self {
            program: Program::start(serve, folder),
            folder: path,
        };
        for socket in sockets {
            let log = || hosted.program.log();
            let socket = hosted.folder.join(socket);
            wait_until("it listens", || {
                socket.exists() || log().contains("fcgi-wasm: ")
            });
            assert!(socket.exists(), "{}", log());
        }
        hosted
    }

    /// Changes the configuration and has it read; waits until the log says so.
    #[track_caller]
    pub(crate) fn reconfigure(&self, config: &str, log: &str) {
        fs::write(self.folder.join("main.toml"), config).expect("written");
        let before = self.program.log().matches(log).count();
        self.program.signal(rustix::process::Signal::HUP);
        wait_until(&format!("{log:?} is logged once more"), || {
            self.program.log().matches(log).count() > before
        });
    }

    #[track_caller]
    pub(crate) fn connect(&self, socket: &str) -> Peer {
        Peer::connect(&self.folder.join(socket))
    }

    /// A GET with these params beside the usual ones, or instead of them.
    #[track_caller]
    pub(crate) fn ask(&self, socket: &str, path: &str, more: &[(&str, &str)]) -> Answer {
        self.connect(socket).ask(1, &get_with(path, more))
    }
}

/// A whole GET with params that replace the usual ones.
pub(crate) fn get_with(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut list = get_params(path);
    list.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
    list.extend_from_slice(more);
    let mut bytes = begin(1, RESPONDER, false);
    bytes.extend(params(1, &list));
    bytes.extend(stdin(1, &[]));
    bytes
}
