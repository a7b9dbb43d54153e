#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, CustomSection, DataSection, DataSymbolDefinition, ElementSection,
    Elements, Encode as _, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    LinkingSection, MemorySection, MemoryType, Module, RefType, SymbolTable, TableSection, TableType,
    TypeSection, ValType,
};
use wasmparser::{Operator, Parser, Payload};

use super::trim;

/// The places of its data, eight bytes each; the symbol of each has its number.
const WORDS: i32 = 0;
const FACT: i32 = 8;
const TABLE: i32 = 16;
/// The symbols of functions come after those of data.
const DATA_SYMBOLS: u32 = 3;
const THROW: u32 = 0;
const PAGE: u32 = 1;
const PANIC: u32 = 2;
const STOP: u32 = 3;
const WRITE: u32 = 4;
/// How long the constant and the call are that a page loses with a panic.
const CALLED: usize = 4;

/// A page that panics with `WORDS` if it is asked 0, throws for 1, and else reads `FACT`. A panic writes its words by way of
/// `TABLE`, which leads to `WRITE`.
fn linked() -> Vec<u8> {
    let mut panic = Function::new([]);
    panic.instructions().local_get(0).i32_const(TABLE).call_indirect(0, 0).unreachable().end();
    linked_with(&panic)
}

/// The same with another function for `PANIC`.
fn linked_with(panic: &Function) -> Vec<u8> {
    named(panic, "panic")
}

/// The same with another name for that function.
fn named(panic: &Function, name: &str) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    module.section(&types);
    let mut imports = ImportSection::new();
    imports.import("page", "throw", EntityType::Function(0));
    module.section(&imports);
    let mut functions = FunctionSection::new();
    for _ in PAGE..=WRITE {
        functions.function(0);
    }
    module.section(&functions);
    let mut tables = TableSection::new();
    let table = TableType {
        element_type: RefType::FUNCREF,
        minimum: 2,
        maximum: None,
        table64: false,
        shared: false,
    };
    tables.table(table);
    module.section(&tables);
    let mut memories = MemorySection::new();
    let memory =
        MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    memories.memory(memory);
    module.section(&memories);
    let mut exports = ExportSection::new();
    exports.export("page", ExportKind::Func, PAGE);
    module.section(&exports);
    let mut elements = ElementSection::new();
    elements.active(None, &ConstExpr::i32_const(1), Elements::Functions([WRITE].as_slice().into()));
    module.section(&elements);
    module.section(&code(panic));
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), *b"it broke a fact.\x01\0\0\0\0\0\0\0");
    module.section(&data);
    let bytes = module.clone().finish();
    module.section(&symbols(name));
    module.section(&CustomSection { name: "reloc.CODE".into(), data: links(&bytes).into() });
    let data_link = [6, 1, 2, 22, (DATA_SYMBOLS + WRITE) as u8];
    module.section(&CustomSection { name: "reloc.DATA".into(), data: data_link.as_slice().into() });
    module.finish()
}

fn code(panic: &Function) -> CodeSection {
    let mut code = CodeSection::new();
    let mut page = Function::new([]);
    page.instructions()
        .block(BlockType::Empty)
        .local_get(0)
        .br_if(0)
        .i32_const(WORDS)
        .call(PANIC)
        .unreachable()
        .end()
        .block(BlockType::Empty)
        .local_get(0)
        .br_if(0)
        .local_get(0)
        .call(STOP)
        .unreachable()
        .end()
        .i32_const(FACT)
        .drop()
        .end();
    code.function(&page);
    code.function(panic);
    let mut stop = Function::new([]);
    stop.instructions().local_get(0).call(THROW).unreachable().end();
    code.function(&stop);
    let mut write = Function::new([]);
    write.instructions().local_get(0).drop().end();
    code.function(&write);
    code
}

fn symbols(panic: &str) -> LinkingSection {
    let mut symbols = SymbolTable::new();
    for (name, offset) in [("words", WORDS), ("fact", FACT), ("table", TABLE)] {
        let symbol = DataSymbolDefinition { index: 0, offset: offset as u32, size: 8 };
        symbols.data(0, name, Some(symbol));
    }
    symbols.function(SymbolTable::WASM_SYM_UNDEFINED, THROW, None);
    for (index, name) in (PAGE..).zip(["page", panic, "stop", "write"]) {
        symbols.function(0, index, Some(name));
    }
    let mut linking = LinkingSection::new();
    linking.symbol_table(&symbols);
    linking
}

/// The linker's table of the code: each constant is the place of data, and each call leads to a function.
fn links(bytes: &[u8]) -> Vec<u8> {
    let (mut start, mut links) = (0, Vec::new());
    let mut add = |kind: u8, at: usize, symbol: u32| {
        links.push((kind, at, symbol));
    };
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            Payload::CodeSectionStart { range, .. } => start = range.start,
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader().unwrap().into_iter_with_offsets() {
                    match operator.unwrap() {
                        (Operator::I32Const { value }, at) => add(4, at + 1 - start, value as u32 / 8),
                        (Operator::Call { function_index }, at) => {
                            add(0, at + 1 - start, DATA_SYMBOLS + function_index)
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let mut made = vec![5, links.len() as u8];
    for (kind, at, symbol) in links {
        made.push(kind);
        at.encode(&mut made);
        symbol.encode(&mut made);
        made.extend((kind == 4).then_some(0));
    }
    made
}

/// How long each function's code is, what the data are, and the functions that are called by pointer.
fn shape(bytes: &[u8]) -> (Vec<usize>, Vec<u8>, Vec<u32>) {
    let module = super::module::Module::read(bytes);
    assert!(module.is_err(), "the linker's tables are left");
    let (mut lens, mut data, mut pointed) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            Payload::CodeSectionEntry(body) => lens.push(body.range().len()),
            Payload::DataSection(segments) => {
                data.extend(segments.into_iter().flat_map(|segment| segment.unwrap().data))
            }
            Payload::ElementSection(elements) => {
                for element in elements {
                    let wasmparser::ElementItems::Functions(functions) = element.unwrap().items else {
                        panic!()
                    };
                    pointed.extend(functions.into_iter().map(Result::unwrap));
                }
            }
            _ => {}
        }
    }
    (lens, data, pointed)
}

#[test]
fn a_panic_is_a_trap_without_its_words_and_without_what_writes_them() {
    let (lens, data, pointed) = shape(&trim(&linked()).unwrap());
    // The page lost a constant and a call; `STOP` asks the bindings for something, so that it stays.
    assert_eq!(lens, [25, 3, 7, 3]);
    assert_eq!(data, b"\0\0\0\0\0\0\0\0 a fact.\0\0\0\0\0\0\0\0");
    assert_eq!(pointed, [WRITE]);
}

#[test]
fn a_module_without_the_linkers_tables_is_refused() {
    let whole = linked();
    let start = whole.windows(7).position(|name| name == b"linking").unwrap();
    assert!(trim(&whole[..start - 3]).is_err());
}

#[test]
fn who_serves_for_ever_by_pointer_is_no_panic() {
    let mut serve = Function::new([]);
    serve
        .instructions()
        .loop_(BlockType::Empty)
        .local_get(0)
        .i32_const(TABLE)
        .call_indirect(0, 0)
        .br(0)
        .end()
        .unreachable()
        .end();
    let (lens, data, _) = shape(&trim(&linked_with(&serve)).unwrap());
    assert_eq!(lens[0], 25 + CALLED);
    assert_eq!(&data[..8], b"it broke");
}

#[test]
fn operators_whose_ways_are_not_known_are_refused() {
    let mut tail_call = Function::new([]);
    tail_call.instructions().local_get(0).return_call(STOP).end();
    let mut caught = Function::new([]);
    caught.instructions().try_table(BlockType::Empty, []).end().end();
    for unknown in [tail_call, caught] {
        let refused = trim(&linked_with(&unknown)).unwrap_err();
        assert!(format!("{refused:#}").contains("ways are not known"), "{refused:#}");
    }
}

#[test]
fn a_page_that_sets_a_hook_for_panics_is_refused() {
    let mut empty = Function::new([]);
    empty.instructions().end();
    let refused = trim(&named(&empty, "_RNvNtCsebHcaeoSrxy_3std9panicking8set_hook")).unwrap_err();
    assert!(refused.to_string().contains("hook"), "{refused:#}");
}
