//! Requests that wait for their applications to be loaded.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::share::{self, Share, Waiting};
use crate::message::{Fault, Owner, Portion, Pot};

/// How many may wait, over all tenants. Each holds its params and a little of its body.
const WAITING_MAX: usize = 1024;

/// How much their params may take together, bytes: a web server may pass on hundreds of KiB
/// of a request's head.
const PARAMS_BYTES_ALL: usize = 64 * 1024 * 1024;

/// Those of all tenants.
pub(super) struct Line {
    places: Semaphore,
    params: Arc<Pot>,
}

/// A request's place among them.
#[derive(Debug)]
pub(super) struct Standing<'l> {
    pub(super) of_tenant: Waiting,
    _of_all: SemaphorePermit<'l>,
    _params: Portion,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            places: Semaphore::new(WAITING_MAX),
            params: Pot::of(PARAMS_BYTES_ALL),
        }
    }

    /// A place for a request with so many bytes of params, of this tenant's.
    pub(super) fn stand(
        &self,
        tenant: &Share,
        owner: &Owner,
        params_bytes: usize,
    ) -> Result<Standing<'_>, Fault> {
        let Some(of_tenant) = tenant.wait() else {
            return Err(Fault::Overloaded(format!(
                "{} requests wait for applications of tenant {} to be loaded already",
                share::WAITING_MAX,
                owner.tenant
            )));
        };
        let Ok(of_all) = self.places.try_acquire() else {
            return Err(Fault::Overloaded(format!(
                "{WAITING_MAX} requests wait for applications to be loaded already"
            )));
        };
        let mut params = self.params.portion();
        if !params.grow_for(&owner.tenant, params_bytes) {
            return Err(Fault::Overloaded(format!(
                "the params of requests that wait for applications of tenant {} to be loaded take \
                 all the memory that there is for them",
                owner.tenant
            )));
        }
        Ok(Standing {
            of_tenant,
            _of_all: of_all,
            _params: params,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_have_a_limit_and_leave_some_to_others() {
        let (line, share) = (Line::new(), Share::new());
        let owner = |tenant: &str| Owner {
            tenant: tenant.to_owned(),
            app: String::new(),
        };
        let stand = |tenant, bytes| line.stand(&share, &owner(tenant), bytes);
        let _half = stand("noisy", PARAMS_BYTES_ALL / 2).expect("half");
        assert!(matches!(stand("noisy", 1), Err(Fault::Overloaded(_))));
        assert!(stand("quiet", PARAMS_BYTES_ALL / 4).is_ok());
    }
}
