//! How large the parts of a component may be, looked at before anything is
//! compiled: one pass over the file, that takes hardly any memory.
//!
//! A compiler's time and memory grow with these numbers, with some of them
//! faster than in proportion. All limits are several times what the largest
//! known applications have: CPython with its libraries, Ruby, StarlingMonkey.

use std::collections::HashMap;

use wasmparser::{
    CoreType, DataKind, DataSectionReader, ElementItems, ElementSectionReader, FromReader,
    ModuleTypeDeclaration, Operator, Parser, Payload, SectionLimited,
};

use super::instances;
use crate::setup::SetupError;

/// How deep components are nested. CPython's has 3 levels.
const DEPTH_MAX: usize = 16;

/// Modules and components in it. CPython's has 40.
const PARTS_MAX: u64 = 1000;

/// Functions of all its modules; Ruby has 20,000.
const FUNCTIONS_MAX: u64 = 200_000;

/// Bytes of one function; CPython's interpreter loop has some 100,000. Time to
/// compile grows fastest with this one.
const FUNCTION_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of all functions; CPython has 10 MB.
const CODE_BYTES_MAX: u64 = 96 * 1024 * 1024;

/// Types of its modules, and their bytes; CPython has 1,100 with 7 KB. They stand in
/// a register of the engine's, in which nobody can look a type up while others are
/// added: 900,000 kept all requests waiting for a second and a half.
const TYPES_MAX: u64 = 20_000;
const TYPE_BYTES_MAX: u64 = 256 * 1024;

/// Bytes of all but code and data: types, imports, exports, elements of tables,
/// expressions of constants. As long as it is loaded, the server has them in its own
/// memory, where each takes many times as much. CPython has 300 KB.
const DESCRIPTION_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes of all memories from the first to the last that the file has data for:
/// the compiler writes them out whole, with the holes, and the server keeps them.
/// Ruby's have 57 MB.
const IMAGE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Imports, exports, aliases, instances, globals, segments, elements of tables and so
/// on.
const ITEMS_MAX: u64 = 200_000;

/// Whether the component is within these limits. It is not said whether it is
/// valid: the compiler says that.
pub(super) fn check(file: &str, bytes: &[u8]) -> Result<(), SetupError> {
    let mut size = Size::default();
    let too_much = |complaint: String| {
        SetupError::new(format!(
            "{file} is not loaded, because it might take too long or too much memory: {complaint}"
        ))
    };
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| {
            SetupError::new(format!("{file} is not valid WebAssembly: {error}"))
        })?;
        size.add(&payload);
        size.check().map_err(too_much)?;
    }
    instances::check(bytes).map_err(too_much)
}

/// What was counted by now.
#[derive(Debug, Default)]
struct Size {
    depth: usize,
    parts: u64,
    functions: u64,
    largest_function_bytes: u64,
    code_bytes: u64,
    types: u64,
    type_bytes: u64,
    description_bytes: u64,
    image_bytes: u64,
    items: u64,
}

impl Size {
    fn add(&mut self, payload: &Payload<'_>) {
        use Payload::{
            CodeSectionEntry, CodeSectionStart, ComponentAliasSection, ComponentCanonicalSection,
            ComponentExportSection, ComponentImportSection, ComponentInstanceSection,
            ComponentSection, ComponentTypeSection, CoreTypeSection, DataSection, ElementSection,
            End, ExportSection, FunctionSection, GlobalSection, ImportSection, InstanceSection,
            MemorySection, ModuleSection, TableSection, TagSection, TypeSection,
        };
        match payload {
            ModuleSection { .. } | ComponentSection { .. } => {
                self.depth += 1;
                self.parts += 1;
            }
            End(_) => self.depth = self.depth.saturating_sub(1),
            FunctionSection(section) => self.functions += u64::from(section.count()),
            CodeSectionStart { size, .. } => self.code_bytes += u64::from(*size),
            CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                self.largest_function_bytes = self.largest_function_bytes.max(bytes);
            }
            TypeSection(section) => self.add_types(section, |group| group.types().len()),
            CoreTypeSection(section) => self.add_types(section, types_in),
            ComponentTypeSection(section) => self.add_items(section),
            ImportSection(section) => self.add_items(section),
            ExportSection(section) => self.add_items(section),
            TableSection(section) => self.add_items(section),
            MemorySection(section) => self.add_items(section),
            TagSection(section) => self.add_items(section),
            GlobalSection(section) => self.add_items(section),
            ElementSection(section) => self.add_elements(section),
            DataSection(section) => self.add_data(section),
            InstanceSection(section) => self.add_items(section),
            ComponentInstanceSection(section) => self.add_items(section),
            ComponentAliasSection(section) => self.add_items(section),
            ComponentCanonicalSection(section) => self.add_items(section),
            ComponentImportSection(section) => self.add_items(section),
            ComponentExportSection(section) => self.add_items(section),
            _ => {}
        }
    }

    fn add_items<T>(&mut self, section: &SectionLimited<'_, T>) {
        self.items += u64::from(section.count());
        self.description_bytes += section.range().len() as u64;
    }

    fn add_types<'a, T: FromReader<'a>>(
        &mut self,
        section: &SectionLimited<'a, T>,
        types_in: impl Fn(&T) -> usize,
    ) {
        self.add_items(section);
        self.type_bytes += section.range().len() as u64;
        if self.type_bytes <= TYPE_BYTES_MAX {
            let entries = section.clone().into_iter().map_while(Result::ok);
            self.types += entries.map(|entry| types_in(&entry) as u64).sum::<u64>();
        }
    }

    fn add_elements(&mut self, section: &ElementSectionReader<'_>) {
        self.add_items(section);
        if self.description_bytes <= DESCRIPTION_BYTES_MAX {
            let segments = section.clone().into_iter().map_while(Result::ok);
            let counts = segments.map(|segment| match segment.items {
                ElementItems::Functions(functions) => functions.count(),
                ElementItems::Expressions(_, expressions) => expressions.count(),
            });
            self.items += counts.map(u64::from).sum::<u64>();
        }
    }

    fn add_data(&mut self, section: &DataSectionReader<'_>) {
        self.items += u64::from(section.count());
        let segments = section.clone().into_iter().map_while(Result::ok);
        let content = segments.map(|segment| segment.data.len() as u64).sum();
        let section_bytes = section.range().len() as u64;
        self.description_bytes += section_bytes.saturating_sub(content);
        self.image_bytes = self.image_bytes.saturating_add(image_bytes(section));
    }

    fn check(&self) -> Result<(), String> {
        for (what, found, most) in [
            ("levels of components", self.depth as u64, DEPTH_MAX as u64),
            ("modules and components", self.parts, PARTS_MAX),
            ("functions", self.functions, FUNCTIONS_MAX),
            (
                "bytes in one function",
                self.largest_function_bytes,
                FUNCTION_BYTES_MAX,
            ),
            ("bytes of code", self.code_bytes, CODE_BYTES_MAX),
            ("types of modules", self.types, TYPES_MAX),
            ("bytes of types of modules", self.type_bytes, TYPE_BYTES_MAX),
            (
                "bytes beside code and data",
                self.description_bytes,
                DESCRIPTION_BYTES_MAX,
            ),
            (
                "bytes of memory with data, holes included",
                self.image_bytes,
                IMAGE_BYTES_MAX,
            ),
            ("imports, exports and the like", self.items, ITEMS_MAX),
        ] {
            if found > most {
                return Err(format!(
                    "it has {found} {what}, and at most {most} are taken"
                ));
            }
        }
        Ok(())
    }
}

/// How many types an entry of a component consists of.
fn types_in(entry: &CoreType<'_>) -> usize {
    match entry {
        CoreType::Rec(group) => group.types().len(),
        CoreType::Module(declarations) => {
            let types = declarations.iter().map(|declaration| match declaration {
                ModuleTypeDeclaration::Type(group) => group.types().len(),
                _ => 0,
            });
            types.sum()
        }
    }
}

/// How much of a module's memories its data spans. What is put in place where
/// only an instance knows is not written out, and what can not be read is left
/// to the compiler.
fn image_bytes(section: &DataSectionReader<'_>) -> u64 {
    let mut spans = HashMap::new();
    for data in section.clone().into_iter().map_while(Result::ok) {
        let DataKind::Active {
            memory_index,
            offset_expr,
        } = data.kind
        else {
            continue;
        };
        let start = match offset_expr.get_operators_reader().read() {
            Ok(Operator::I32Const { value }) => u64::from(value.cast_unsigned()),
            Ok(Operator::I64Const { value }) => value.cast_unsigned(),
            _ => continue,
        };
        let end = start.saturating_add(data.data.len() as u64);
        let (first, last) = spans.entry(memory_index).or_insert((start, end));
        (*first, *last) = (start.min(*first), end.max(*last));
    }
    let lengths = spans.into_values().map(|(first, last)| last - first);
    lengths.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        let bytes = wat::parse_str(text).expect("WAT");
        let refused = check("app.wasm", &bytes).err();
        refused.map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_is_ordinary_passes() {
        assert_eq!(complaint("(component (core module (func)))"), "");
        assert_eq!(complaint("(module (func) (memory 1))"), "");
    }

    #[test]
    fn what_is_too_much_is_named() {
        let nested = "(component ".repeat(DEPTH_MAX + 1) + &")".repeat(DEPTH_MAX + 1);
        assert_eq!(complaint(&nested), "");
        let nested = format!("(component {nested})");
        assert!(
            complaint(&nested).contains("17 levels"),
            "{}",
            complaint(&nested)
        );
        let parts = format!("(component {})", "(core module)".repeat(1001));
        assert!(complaint(&parts).contains("1001 modules"));
        let functions = format!("(module {})", "(func)".repeat(200_001));
        assert!(complaint(&functions).contains("200001 functions"));
        let large = format!("(module (func {}))", "nop ".repeat(1024 * 1024));
        assert!(complaint(&large).contains("bytes in one function"));
        let globals = format!("(module {})", "(global i32 i32.const 0)".repeat(200_001));
        assert!(complaint(&globals).contains("200001 imports"));
    }

    #[test]
    fn holes_between_data_count() {
        let module = |memories: usize, last: u32| {
            let parts = (0..memories).map(|memory| {
                format!(
                    "(memory 1024) (data (memory {memory}) (i32.const 0) \"a\") \
                     (data (memory {memory}) (i32.const {last}) \"b\")"
                )
            });
            format!("(module {})", parts.collect::<String>())
        };
        let last = 64 * 1024 * 1024 - 1;
        assert_eq!(complaint(&module(2, last)), "");
        let much = complaint(&module(8, last));
        assert!(much.contains("536870912 bytes of memory"), "{much}");
        let inner = module(1, last).replacen('(', "(core ", 1);
        let much = complaint(&format!("(component {})", inner.repeat(3)));
        assert!(much.contains("201326592 bytes of memory"), "{much}");
    }

    #[test]
    fn what_stays_in_memory_is_counted_one_by_one() {
        let group = |types: usize| format!("(module (rec {}))", "(type (func))".repeat(types));
        assert_eq!(complaint(&group(20_000)), "");
        assert!(complaint(&group(20_001)).contains("20001 types"));
        let wide = format!("(module (type (struct {})))", "(field i32)".repeat(150_000));
        assert!(complaint(&wide).contains("bytes of types of modules"));
        let inner = format!(
            "(component (core type (module {})))",
            "(type (func))".repeat(20_001)
        );
        assert!(complaint(&inner).contains("20001 types"));
        for elements in [
            "func ".to_owned() + &"0 ".repeat(200_000),
            "funcref ".to_owned() + &"(ref.null func) ".repeat(200_000),
        ] {
            let much = complaint(&format!("(module (func) (elem {elements}))"));
            assert!(much.contains("200002 imports"), "{much}");
        }
        let name = "x".repeat(90_000);
        let exports = (0..50).map(|number| format!("(export \"{name}{number}\" (func 0))"));
        let much = complaint(&format!("(module (func) {})", exports.collect::<String>()));
        assert!(much.contains("bytes beside code and data"), "{much}");
        let terms = 360_000;
        let sum = "i64.const -9223372036854775808 ".repeat(terms) + &"i64.add ".repeat(terms - 1);
        for long in [
            format!("(module (global i64 {sum}))"),
            format!("(module (memory i64 1) (data (offset {sum}) \"x\"))"),
        ] {
            let much = complaint(&long);
            assert!(much.contains("bytes beside code and data"), "{much}");
        }
        let data = format!(
            "(module (memory 200) (data (i32.const 0) \"{}\"))",
            "x".repeat(5_000_000)
        );
        assert_eq!(complaint(&data), "");
    }

    #[test]
    fn a_number_in_a_header_is_not_believed() {
        // A function section that announces four thousand million functions.
        let lie = b"\0asm\x01\0\0\0\x03\x05\xff\xff\xff\xff\x0f";
        let refused = check("app.wasm", lie).expect_err("a lie");
        assert!(
            refused.to_string().contains("4294967295 functions"),
            "{refused}"
        );
    }
}
