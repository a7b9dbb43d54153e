#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemArg,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

use super::pack;

/// The index of the exported function, which calls an imported one and then `CALLED`.
const PAGE: u32 = 1;
const CALLED: [u32; 3] = [4, 2, 3];
/// The index, and address, of one that has a parameter.
const WITH_PARAMETER: u64 = 3;

/// A page whose functions each load from an address of their own.
fn module() -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32], []);
    module.section(&types);
    let mut imports = ImportSection::new();
    imports.import("page", "it", EntityType::Function(0));
    module.section(&imports);
    let mut functions = FunctionSection::new();
    for of in [0, 0, 1, 0] {
        functions.function(of);
    }
    module.section(&functions);
    let mut memories = MemorySection::new();
    let memory =
        MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    memories.memory(memory);
    module.section(&memories);
    let mut exports = ExportSection::new();
    exports.export("page", ExportKind::Func, PAGE);
    module.section(&exports);
    let mut code = CodeSection::new();
    let mut page = Function::new([]);
    page.instructions().call(0).call(CALLED[0]).call(CALLED[1]).i32_const(9).call(CALLED[2]).end();
    code.function(&page);
    for address in [2, 3, 4] {
        code.function(&load(address, u32::from(address == WITH_PARAMETER)));
    }
    module.section(&code);
    module.finish()
}

/// Uses the third local twice, the fourth once, and the others not at all.
fn load(address: u64, params: u32) -> Function {
    let mut function = Function::new([(3, ValType::I32), (1, ValType::I64)]);
    let at = MemArg { offset: address, align: 0, memory_index: 0 };
    let (third, fourth) = (params + 2, params + 3);
    function
        .instructions()
        .i32_const(0)
        .local_tee(third)
        .i64_load(at)
        .local_set(fourth)
        .local_get(third)
        .drop()
        .end();
    function
}

struct Packed<'a> {
    page: u32,
    bodies: Vec<FunctionBody<'a>>,
}

fn read(bytes: &[u8]) -> Packed<'_> {
    let mut packed = Packed { page: 0, bodies: Vec::new() };
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            Payload::ExportSection(exports) => {
                packed.page = exports.into_iter().next().unwrap().unwrap().index
            }
            Payload::CodeSectionEntry(body) => packed.bodies.push(body),
            _ => {}
        }
    }
    packed
}

impl Packed<'_> {
    fn operators(&self, function: u32) -> Vec<Operator<'_>> {
        let body = &self.bodies[function as usize - 1];
        body.get_operators_reader().unwrap().into_iter().map(Result::unwrap).collect()
    }

    fn address(&self, function: u32) -> u64 {
        let load = |operator: &Operator<'_>| match operator {
            Operator::I64Load { memarg } => {
                assert_eq!(memarg.align, 3, "the natural one");
                Some(memarg.offset)
            }
            _ => None,
        };
        self.operators(function).iter().find_map(load).unwrap()
    }
}

#[test]
fn each_call_reaches_what_it_reached_before() {
    let packed = pack(&module()).unwrap();
    let packed = read(&packed);
    let called: Vec<u32> = packed.operators(packed.page).iter().filter_map(called).collect();
    assert_eq!(called[0], 0, "what is imported keeps its index");
    let addresses: Vec<u64> = called[1..].iter().map(|function| packed.address(*function)).collect();
    assert_eq!(addresses, CALLED.map(u64::from));
}

fn called(operator: &Operator<'_>) -> Option<u32> {
    if let Operator::Call { function_index } = operator { Some(*function_index) } else { None }
}

#[test]
fn locals_are_numbered_by_their_use() {
    let packed = pack(&module()).unwrap();
    let packed = read(&packed);
    for function in (1..=4).filter(|function| *function != packed.page) {
        let body = &packed.bodies[function as usize - 1];
        let declared: u32 = body.get_locals_reader().unwrap().into_iter().map(|of| of.unwrap().0).sum();
        assert_eq!(declared, 2);
        let tee = packed.operators(function).into_iter().find_map(|operator| match operator {
            Operator::LocalTee { local_index } => Some(local_index),
            _ => None,
        });
        assert_eq!(tee, Some(u32::from(packed.address(function) == WITH_PARAMETER)));
    }
}
