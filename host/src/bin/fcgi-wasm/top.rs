//! `fcgi-wasm top`.

use std::io::{IsTerminal, Read, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::args::{Status, Top};
use crate::signals::Signals;
use crate::status::{self, fetch, table};

/// A terminal that does not tell its size.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// How long a signal to end waits for a terminal that takes no output (^S).
const GIVE_BACK_MAX: Duration = Duration::from_secs(1);

pub(crate) fn run(args: Top) -> Result<ExitCode> {
    if !stdout().is_terminal() || !stdin().is_terminal() {
        return status::run(&Status {
            server: args.server,
            json: false,
        });
    }
    // Before the terminal is changed, so that what is wrong is plain to see.
    let mut shown = fetch::status(&args.server)?;
    let screen = Screen::take().context("cannot use this terminal")?;
    give_back_when_told(screen.0.clone())?;
    loop {
        screen.draw(&table::lines(&fetch::parse(&shown)?, size().1 - 1))?;
        loop {
            if quits(args.every)? {
                return Ok(ExitCode::SUCCESS);
            }
            match fetch::status(&args.server) {
                Ok(status) => {
                    shown = status;
                    break;
                }
                Err(error) => screen.draw(&[format!("{error:#}; trying again, q quits")])?,
            }
        }
    }
}

/// Waits, unless a key says to quit.
fn quits(wait: Duration) -> Result<bool> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let stdin = stdin();
        let mut keys = [PollFd::new(&stdin, PollFlags::IN)];
        let left = Timespec::try_from(left).unwrap_or_default();
        match poll(&mut keys, Some(&left)) {
            Ok(0) => return Ok(false),
            // The window has another size now.
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let mut typed = [0; 16];
        let count = stdin.lock().read(&mut typed)?;
        // Escape alone quits too; an arrow key is an escape and more.
        let is_quit = |key: &u8| matches!(key, b'q' | b'Q' | 3 | 4);
        if count == 0 || typed[..count] == [27] || typed[..count].iter().any(is_quit) {
            return Ok(true);
        }
    }
}

fn size() -> (usize, usize) {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_row > 2 && size.ws_col > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => USUAL_SIZE,
    }
}

/// From now on a signal that ends this gives the terminal back first.
fn give_back_when_told(terminal: Arc<Terminal>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::listen()?
    };
    thread::spawn(move || {
        runtime.block_on(signals.next());
        thread::spawn(move || {
            // Held to the end, so that nothing is drawn any more.
            let _drawing = terminal.give_back();
            std::process::exit(1);
        });
        thread::sleep(GIVE_BACK_MAX);
        std::process::exit(1);
    });
    Ok(())
}

/// The terminal as it was.
struct Terminal {
    before: Termios,
    /// Held by whoever writes there.
    drawing: Mutex<()>,
}

impl Terminal {
    fn drawing(&self) -> MutexGuard<'_, ()> {
        self.drawing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing better can be done about a terminal that is gone.
    fn give_back(&self) -> MutexGuard<'_, ()> {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
        let drawing = self.drawing();
        let _ = write!(stdout(), "\x1b[?25h\x1b[?1049l");
        let _ = stdout().flush();
        drawing
    }
}

/// The terminal, as long as it is ours: another screen than the shell's, where
/// keys come at once and are not shown.
struct Screen(Arc<Terminal>);

impl Screen {
    fn take() -> Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut ours = before.clone();
        ours.local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(stdin(), OptionalActions::Now, &ours)?;
        let screen = Self(Arc::new(Terminal {
            before,
            drawing: Mutex::default(),
        }));
        write!(stdout(), "\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    /// Each line over what stood there, so that nothing flickers.
    fn draw(&self, lines: &[String]) -> Result<()> {
        let (width, height) = size();
        let mut text = String::from("\x1b[H");
        for line in lines.iter().take(height - 1) {
            text.extend(line.chars().take(width));
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J");
        let _drawing = self.0.drawing();
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(self.0.give_back());
    }
}
