//! A file, and what becomes of it: code that can be linked.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use wasmtime::component::{self, Component};
use wasmtime::{Module, ResourcesRequired};

use super::grants::open_folder;
use super::guest::Guest;
use super::runtime::{MEMORIES_MAX, Runtime, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::policy::{Budget, Folder, Policy};
use crate::setup::SetupError;

/// The largest file that is read, bytes. CPython with a web framework has
/// 30 MB, StarlingMonkey 15.
const FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// The bytes of the file at a path. All that follows goes by them, so that it
/// does not matter whether the file changes meanwhile.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    let shown = path.display().to_string();
    // Opening a named pipe would wait for a writer.
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(|error| SetupError::new(format!("cannot read {shown}: {error}")))?;
    read_file(&file, &shown)
}

/// The bytes of an open file.
pub(super) fn read_file(file: &File, shown: &str) -> Result<Vec<u8>, SetupError> {
    let cannot = |error| SetupError::new(format!("cannot read {shown}: {error}"));
    let meta = file.metadata().map_err(cannot)?;
    if !meta.is_file() {
        return Err(SetupError::new(format!(
            "{shown} is no file, but a folder, pipe or device"
        )));
    }
    let mut bytes = Vec::new();
    if meta.len() <= FILE_BYTES_MAX {
        // All at once: to grow would take twice as much, and to copy it.
        bytes.reserve_exact(meta.len() as usize + 1);
        file.take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
    }
    if meta.len().max(bytes.len() as u64) > FILE_BYTES_MAX {
        return Err(SetupError::new(format!(
            "{shown} has over {FILE_BYTES_MAX} bytes, which is more than is loaded"
        )));
    }
    Ok(bytes)
}

/// Compiled code, and the set-up of wasmtime that runs it.
pub(super) struct Loaded<'e> {
    pub(super) runtime: &'e Runtime,
    pub(super) code: Code,
    /// Whether the code is mapped from a file, and takes no memory of its own.
    pub(super) is_mapped: bool,
}

impl Loaded<'_> {
    /// The component with its imports, all of them known to be there.
    pub(super) fn link(&self) -> wasmtime::Result<component::InstancePre<Guest>> {
        match &self.code {
            Code::Component(component) => self.runtime.linker.instantiate_pre(component),
            Code::Module(_) => wasmtime::bail!("it is a module, not a component"),
        }
    }

    /// The same for a module.
    pub(super) fn link_module(&self) -> wasmtime::Result<wasmtime::InstancePre<Guest>> {
        match &self.code {
            Code::Module(module) => self.runtime.module_linker.instantiate_pre(module),
            Code::Component(_) => wasmtime::bail!("it is a component, not a module"),
        }
    }

    /// The names of what it exports.
    pub(super) fn exports(&self) -> Vec<String> {
        match &self.code {
            Code::Component(component) => {
                let component_type = component.component_type();
                let exports = component_type.exports(&self.runtime.wasmtime);
                exports.map(|(name, _)| name.to_owned()).collect()
            }
            Code::Module(module) => {
                let exports = module.exports();
                exports.map(|export| export.name().to_owned()).collect()
            }
        }
    }

    /// The names of what it imports.
    pub(super) fn imports(&self) -> Vec<String> {
        match &self.code {
            Code::Component(component) => {
                let component_type = component.component_type();
                let imports = component_type.imports(&self.runtime.wasmtime);
                imports.map(|(name, _)| name.to_owned()).collect()
            }
            Code::Module(module) => {
                let imports = module.imports().map(|import| import.module().to_owned());
                let mut modules: Vec<_> = imports.collect();
                modules.sort();
                modules.dedup();
                modules
            }
        }
    }
}

/// A component, or a module of before there were components (WASI 0.1). Clones are the
/// same.
#[derive(Clone)]
pub(super) enum Code {
    Component(Component),
    Module(Module),
}

/// What a file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Component,
    Module,
}

impl Kind {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes.starts_with(MODULE_MAGIC) {
            true => Self::Module,
            false => Self::Component,
        }
    }
}

/// How the binary format of a core module begins.
const MODULE_MAGIC: &[u8] = b"\0asm\x01\0\0\0";

impl Code {
    /// Loads what wasmtime compiled.
    ///
    /// # Safety
    ///
    /// The file is run as it is: it must be what wasmtime made.
    #[expect(unsafe_code, reason = "compiled code can only be loaded on trust")]
    pub(super) unsafe fn load(
        wasmtime: &wasmtime::Engine,
        path: &Path,
        kind: Kind,
    ) -> wasmtime::Result<Self> {
        // SAFETY: as required of the caller.
        unsafe {
            match kind {
                Kind::Component => Component::deserialize_file(wasmtime, path).map(Self::Component),
                Kind::Module => Module::deserialize_file(wasmtime, path).map(Self::Module),
            }
        }
    }

    /// The same from memory.
    ///
    /// # Safety
    ///
    /// As for [`load`](Self::load).
    #[expect(unsafe_code, reason = "compiled code can only be loaded on trust")]
    pub(super) unsafe fn load_bytes(
        wasmtime: &wasmtime::Engine,
        artifact: &[u8],
        kind: Kind,
    ) -> wasmtime::Result<Self> {
        // SAFETY: as required of the caller.
        unsafe {
            match kind {
                Kind::Component => Component::deserialize(wasmtime, artifact).map(Self::Component),
                Kind::Module => Module::deserialize(wasmtime, artifact).map(Self::Module),
            }
        }
    }

    /// The same code for another engine with the same settings.
    #[expect(unsafe_code, reason = "compiled code can only be loaded on trust")]
    pub(super) fn copy(&self, wasmtime: &wasmtime::Engine) -> wasmtime::Result<Self> {
        let (artifact, kind) = match self {
            Self::Component(component) => (component.serialize()?, Kind::Component),
            Self::Module(module) => (module.serialize()?, Kind::Module),
        };
        // SAFETY: it must be what wasmtime made. It is what this process runs already.
        unsafe { Self::load_bytes(wasmtime, &artifact, kind) }
    }

    /// How much it takes, bytes.
    pub(super) fn bytes(&self) -> usize {
        let image = match self {
            Self::Component(component) => component.image_range(),
            Self::Module(module) => module.image_range(),
        };
        image.end.addr() - image.start.addr()
    }

    /// Whether this is exported, of a compatible version.
    pub(super) fn exports(&self, name: &str) -> bool {
        match self {
            Self::Component(component) => component.get_export_index(None, name).is_some(),
            Self::Module(module) => module.get_export_index(name).is_some(),
        }
    }

    fn resources(&self) -> Option<ResourcesRequired> {
        match self {
            Self::Component(component) => component.resources_required(),
            Self::Module(module) => Some(module.resources_required()),
        }
    }

    /// The memory that the largest of its modules begins with, bytes.
    pub(super) fn initial_memory(&self) -> Option<u64> {
        /// Bytes in a page of memory, of the size that all known tools use.
        const PAGE_BYTES: u64 = 65_536;

        let pages = self.resources()?.max_initial_memory_size?;
        Some(pages * PAGE_BYTES)
    }

    /// Makes the images that instances' memories are copied from. It takes
    /// file descriptors, which may have run out when the first request comes.
    pub(super) fn prepare(&self, name: &str) -> Result<(), SetupError> {
        let prepared = match self {
            Self::Component(component) => component.initialize_copy_on_write_image(),
            Self::Module(module) => module.initialize_copy_on_write_image(),
        };
        prepared
            .map_err(|error| SetupError::new(format!("{name} can not be made ready: {error:#}")))
    }
}

/// Whether an instance of it can be made: the engine's pool has room for it, and
/// the memory that it begins with is within its limits. That memory.
pub(super) fn check_size(
    name: &str,
    code: &Code,
    policy: &Policy,
    of_tenant: &Budget,
) -> Result<u64, SetupError> {
    let Some(required) = code.resources() else {
        // It is made of further components that come as imports; what those
        // take is found out when they are linked.
        return Ok(0);
    };
    let memory_bytes = code.initial_memory().unwrap_or(0);
    for (limit, memory_bytes_max) in [
        ("of an instance (--memory)", policy.memory_bytes_max),
        ("of all its instances", policy.budget.memory_bytes_max),
        ("of its tenant's instances", of_tenant.memory_bytes_max),
    ] {
        if memory_bytes > memory_bytes_max {
            return Err(SetupError::new(format!(
                "{name} begins with {memory_bytes} bytes of memory, over the limit of \
                 {memory_bytes_max} {limit}: no request could be served"
            )));
        }
    }
    let elements = required.max_initial_table_size.unwrap_or(0);
    for (what, wanted, most) in [
        (
            "memories",
            required.num_memories.into(),
            MEMORIES_MAX.into(),
        ),
        ("tables", required.num_tables.into(), TABLES_MAX.into()),
        ("elements in a table", elements, TABLE_ELEMENTS_MAX as u64),
    ] {
        if wanted > most {
            return Err(SetupError::new(format!(
                "{name} has {wanted} {what}; at most {most} are supported"
            )));
        }
    }
    Ok(memory_bytes)
}

/// Whether the folders that are granted are there.
pub(super) fn check_folders(policy: &Policy) -> Result<(), SetupError> {
    policy.grants.folders.iter().try_for_each(check_folder)
}

pub(super) fn check_folder(folder: &Folder) -> Result<(), SetupError> {
    let opened = open_folder(&folder.host_path);
    opened.map(drop).map_err(|error| {
        let path = folder.host_path.display();
        SetupError::of_system(format!("cannot open the folder {path} (--dir)"), &error)
    })
}
