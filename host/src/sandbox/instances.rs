//! What an instance of a component consists of, looked at before anything is
//! compiled.
//!
//! A component makes instances of others, which make some of others: twice of
//! twice of twice is a number that a small file has room for, and a compiler
//! takes one after the other. Besides, a WASI 0.3 guest may consist of components
//! that call each other and wait. Each of them has a stack of its own while it
//! waits. All instances take theirs from one pool, so what one may take has to be
//! known.

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Encoding, Instance, Parser, Payload,
};

/// How many components with functions for others an instance may consist of. An
/// application has one, and each middleware that it was composed with.
const WAITING_MAX: u32 = 8;

/// How many stacks an instance may have at a time: one for each of those, one for
/// what runs meanwhile, and one that is kept for the next.
pub(super) const STACKS_MAX: u32 = WAITING_MAX + 2;

/// How many instances of components and of modules an instance may consist of.
/// CPython's has 20. That few of them may be modules' is checked when it is
/// compiled.
const PARTS_MAX: u64 = 1000;

/// How many instances one consists of, modules' included; and how many of them
/// are of components with functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    all: u64,
    waiting: u64,
}

impl Parts {
    /// Those of a component that is handed to another one, which then makes
    /// instances of it: that could be any.
    const UNKNOWN: Self = Self {
        all: u64::MAX,
        waiting: u64::MAX,
    };

    fn and(self, other: Self) -> Self {
        Self {
            all: self.all.saturating_add(other.all),
            waiting: self.waiting.saturating_add(other.waiting),
        }
    }
}

/// Whether an instance consists of no more than it may. What can not be read is
/// left to the compiler.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let found = parts_of(bytes).unwrap_or_default().all;
    refuse(found, PARTS_MAX, "instances of components and modules")
}

/// Whether an instance needs no more stacks than it may have.
pub(super) fn check_stacks(bytes: &[u8]) -> Result<(), String> {
    let found = parts_of(bytes).unwrap_or_default().waiting;
    let what = "components that may wait for each other";
    refuse(found, WAITING_MAX.into(), what)
}

fn refuse(found: u64, most: u64, what: &str) -> Result<(), String> {
    match found {
        u64::MAX => Err(format!(
            "it consists of any number of {what}, and at most {most} are taken"
        )),
        found if found > most => Err(format!(
            "it consists of {found} {what}, and at most {most} are taken"
        )),
        _ => Ok(()),
    }
}

/// One component as far as it was read.
#[derive(Debug, Default)]
struct Scope {
    /// A module has none of these.
    is_component: bool,
    /// What an instance of each component that it knows consists of, by the
    /// component's index in it.
    components: Vec<Parts>,
    parts: Parts,
    has_functions: bool,
}

/// What one instance of the whole consists of; `None` for what can not be read.
fn parts_of(bytes: &[u8]) -> Option<Parts> {
    let mut scopes: Vec<Scope> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::Version { encoding, .. } => scopes.push(Scope {
                is_component: encoding == Encoding::Component,
                ..Scope::default()
            }),
            Payload::End(_) => {
                let ended = scopes.pop()?;
                let own = Parts {
                    all: 1,
                    waiting: ended.has_functions.into(),
                };
                let parts = ended.parts.and(own);
                match scopes.last_mut() {
                    Some(outer) if ended.is_component => outer.components.push(parts),
                    Some(_) => {}
                    None => return Some(parts),
                }
            }
            payload => read(&payload, &mut scopes)?,
        }
    }
    None
}

fn read(payload: &Payload<'_>, scopes: &mut [Scope]) -> Option<()> {
    let (scope, outer) = scopes.split_last_mut()?;
    match payload {
        Payload::ComponentCanonicalSection(section) => {
            for function in section.clone() {
                scope.has_functions |= matches!(function.ok()?, CanonicalFunction::Lift { .. });
            }
        }
        Payload::InstanceSection(section) => {
            for instance in section.clone() {
                let is_made = matches!(instance.ok()?, Instance::Instantiate { .. });
                scope.parts.all = scope.parts.all.saturating_add(is_made.into());
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section.clone() {
                if let ComponentInstance::Instantiate {
                    component_index, ..
                } = instance.ok()?
                {
                    let more = *scope.components.get(component_index as usize)?;
                    scope.parts = scope.parts.and(more);
                }
            }
        }
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                if let ComponentTypeRef::Component(_) = import.ok()?.ty {
                    scope.components.push(Parts::UNKNOWN);
                }
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                let export = export.ok()?;
                if export.kind == ComponentExternalKind::Component {
                    let same = *scope.components.get(export.index as usize)?;
                    scope.components.push(same);
                }
            }
        }
        Payload::ComponentAliasSection(section) => {
            for alias in section.clone() {
                match alias.ok()? {
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Component,
                        ..
                    } => scope.components.push(Parts::UNKNOWN),
                    ComponentAlias::Outer {
                        kind: ComponentOuterAliasKind::Component,
                        count,
                        index,
                    } => {
                        let same = match (count as usize).checked_sub(1) {
                            None => scope.components.get(index as usize),
                            Some(up) => {
                                let known = outer.iter().rev().nth(up);
                                known.and_then(|known| known.components.get(index as usize))
                            }
                        };
                        let same = *same?;
                        scope.components.push(same);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: (u64, u64) = (u64::MAX, u64::MAX);

    fn parts(text: &str) -> Option<(u64, u64)> {
        let parts = parts_of(&wat::parse_str(text).expect("WAT"))?;
        Some((parts.all, parts.waiting))
    }

    /// A component with one function.
    const ONE: &str = "(component $one
        (core module $m (func (export \"f\")))
        (core instance $i (instantiate $m))
        (func (export \"f\") (canon lift (core func $i \"f\"))))";
    const MAKE: &str = "(instance (instantiate $one))";

    #[test]
    fn instances_are_counted() {
        for (text, expected) in [
            ("(module (func))".to_owned(), (1, 0)),
            ("(component (component (core module)))".to_owned(), (1, 0)),
            (ONE.replace("$one", ""), (2, 1)),
            (format!("(component {ONE} {MAKE} {MAKE})"), (5, 2)),
            (
                format!(
                    "(component (core module) {ONE}
                        (component $two {MAKE} {MAKE})
                        (instance (instantiate $two)) (instance (instantiate $two)))"
                ),
                (11, 4),
            ),
            (
                format!(
                    "(component {ONE} (export \"a\" (component $one)) (instance (instantiate 1)))"
                ),
                (3, 1),
            ),
        ] {
            assert_eq!(parts(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_handed_over_could_be_anything() {
        let handed = "(component (import \"a\" (component $one)) (instance (instantiate $one)))";
        assert_eq!(parts(handed), Some(UNKNOWN));
        let inside = "(component
            (import \"a\" (instance $a (export \"b\" (component))))
            (alias export $a \"b\" (component $one))
            (instance (instantiate $one)) (instance (instantiate $one)))";
        assert_eq!(parts(inside), Some(UNKNOWN));
    }

    #[test]
    fn a_power_of_two_is_no_overflow() {
        let mut text = ONE.to_owned();
        for level in 0..70 {
            let inner = if level == 0 {
                "one".to_owned()
            } else {
                format!("c{}", level - 1)
            };
            let make = format!("(instance (instantiate ${inner}))");
            text.push_str(&format!("(component $c{level} {make} {make})"));
        }
        let text = format!("(component {text} (instance (instantiate $c69)))");
        assert_eq!(parts(&text), Some(UNKNOWN));
        let bytes = wat::parse_str(&text).expect("WAT");
        let refusal = check(&bytes).expect_err("too many");
        assert!(refusal.contains("at most 1000"), "{refusal}");
        let refusal = check_stacks(&bytes).expect_err("too many");
        assert!(refusal.contains("at most 8"), "{refusal}");
    }
}
