//! The clock that interrupts guests that compute: one thread, whatever engines of wasmtime
//! there are.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use wasmtime::EngineWeak;

use crate::setup::SetupError;

/// How often a guest that computes is interrupted: how long others wait for it
/// at most on one processor, and how accurate the limit of its time is.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The same while guests compute in the background, which then ask the system whether
/// somebody else is to run: by itself it lets a thread go on for milliseconds. It takes
/// 3 % of a processor as long as they do.
const FAST_TICK: Duration = Duration::from_micros(500);

/// A running clock, which stops with the last clone of it.
#[derive(Clone)]
pub(super) struct Clock(Arc<State>);

#[derive(Default)]
struct State {
    engines: Mutex<Vec<EngineWeak>>,
    /// How many threads want it to go fast.
    hurries: AtomicUsize,
}

impl Clock {
    pub(super) fn start() -> Result<Self, SetupError> {
        let state = Arc::<State>::default();
        let weak = Arc::downgrade(&state);
        let named = thread::Builder::new().name("epoch clock".to_owned());
        match named.spawn(move || run(&weak)) {
            Ok(_) => Ok(Self(state)),
            Err(error) => Err(SetupError::new(format!(
                "the thread that interrupts applications can not be started: {error}"
            ))),
        }
    }

    /// Interrupts the guests of this engine too, as long as there is one.
    pub(super) fn drive(&self, engine: &wasmtime::Engine) {
        self.0.engines().push(engine.weak());
    }

    /// Goes fast until what this returns is dropped.
    pub(super) fn hurry(&self) -> Hurry<'_> {
        self.0.hurries.fetch_add(1, Relaxed);
        Hurry(&self.0)
    }
}

impl State {
    fn engines(&self) -> MutexGuard<'_, Vec<EngineWeak>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that wants the clock to go fast.
pub(super) struct Hurry<'c>(&'c State);

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.hurries.fetch_sub(1, Relaxed);
    }
}

fn run(state: &Weak<State>) {
    while let Some(state) = state.upgrade() {
        state.engines().retain(|engine| match engine.upgrade() {
            Some(engine) => {
                engine.increment_epoch();
                true
            }
            None => false,
        });
        let pause = match state.hurries.load(Relaxed) {
            0 => TICK,
            _ => FAST_TICK,
        };
        drop(state);
        thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::{Instance, Module, Store, Trap};

    use super::super::runtime::Flavour;
    use super::*;

    #[test]
    fn each_engine_is_driven_and_forgotten_when_it_is_gone() {
        let clock = Clock::start().expect("a clock");
        let flavours = [Flavour::Plain, Flavour::Concurrent];
        let engines = flavours.map(|flavour| flavour.compiler(false).expect("an engine"));
        for engine in &engines {
            clock.drive(engine);
        }
        for engine in &engines {
            let mut store = Store::new(engine, ());
            store.set_epoch_deadline(1);
            let endless = wat::parse_str("(module (func (loop (br 0))) (start 0))");
            let endless = Module::new(engine, endless.expect("a module"));
            let ended = Instance::new(&mut store, &endless.expect("a module"), &[]);
            assert_eq!(
                ended.expect_err("a trap").downcast_ref(),
                Some(&Trap::Interrupt)
            );
        }
        drop(engines);
        while !clock.0.engines().is_empty() {
            thread::sleep(TICK);
        }
    }
}
