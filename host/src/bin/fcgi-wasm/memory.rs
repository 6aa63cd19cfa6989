//! Gives memory back to the system that applications leave behind which were
//! loaded or unloaded.

use std::time::Duration;

use fcgi_wasm::Catalogue;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How often it is looked whether applications were. Nobody waits for
/// it: what is free until then is used for whatever is loaded meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Gives back what is free when applications came or went. Never ends.
///
/// The allocator keeps what is free until somebody allocates, who may not come:
/// 82 of the 91 KiB that an idle application took stayed when it was unloaded,
/// and 6 with this, which takes a millisecond for 250 of them; and 33 MB when
/// a Flask application was loaded from its file of 34 MB.
pub(crate) async fn give_back(catalogue: Catalogue) {
    let mut before = 0;
    let mut is_due = false;
    loop {
        sleep(LOOK_EVERY).await;
        let now = catalogue.turnover();
        let are_more = now > before;
        if are_more || is_due {
            // That it broke off would harm nobody.
            let _ = spawn_blocking(collect).await;
        }
        // And once more: requests may still run on what was given up.
        is_due = are_more;
        before = now;
    }
}

#[expect(unsafe_code, reason = "a function of the allocator")]
fn collect() {
    // SAFETY: it takes no pointer, and any thread may call it at any time.
    unsafe { libmimalloc_sys::mi_collect(true) };
}
