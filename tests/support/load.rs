//! Clients that never stop asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::wait_until;

/// Several clients, each of which sends one request after the other.
pub(crate) struct Load {
    clients: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    /// Starts so many clients, which ask by this and panic if the answer is
    /// not as it should be.
    pub(crate) fn start(clients: usize, ask: impl Fn() + Clone + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let client = || {
            let (stop, answered, ask) = (stop.clone(), answered.clone(), ask.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    ask();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let clients = (0..clients).map(|_| client()).collect();
        Self {
            clients,
            stop,
            answered,
        }
    }

    /// Waits until so many more requests are answered.
    #[track_caller]
    pub(crate) fn wait_for(&self, more: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        wait_until(&format!("{more} more requests are answered"), || {
            let is_lost = self.clients.iter().any(JoinHandle::is_finished);
            assert!(!is_lost, "a request was lost");
            self.answered.load(Ordering::Relaxed) >= before + more
        });
    }

    /// Stops; every request that was sent had to be answered. How many.
    #[track_caller]
    pub(crate) fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("no request was lost");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
