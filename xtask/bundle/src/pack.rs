//! Makes a module that does the same and compresses better.
//!
//! What gzip has seen within the last 32 KiB it writes shorter. So functions that have much in common lie side by side; a
//! function's locals are numbered by how often it uses them; and loads and stores claim the alignment that is natural to
//! them, which is a mere hint.

use std::convert::Infallible;

use anyhow::Result;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{CodeSection, Function, FunctionSection, Instruction, MemArg};
use wasmparser::{
    CodeSectionReader, FunctionBody, FunctionSectionReader, Operator, Parser, Payload, TypeRef,
};

mod locals;
mod order;

use locals::Locals;

/// The packed module.
pub(crate) fn pack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packer = Packer::default();
    for payload in Parser::new(0).parse_all(bytes) {
        packer.take(payload?)?;
    }
    packer.sort(bytes)?;
    let mut module = wasm_encoder::Module::new();
    packer.parse_core_module(&mut module, Parser::new(0), bytes)?;
    Ok(module.finish())
}

#[derive(Default)]
struct Packer<'a> {
    /// How many parameters each type has.
    params: Vec<u32>,
    /// What each function is called from now on; imported ones come first.
    functions: Vec<u32>,
    /// The module's own functions with their types.
    types: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    /// Their places before, in the order that they have from now on.
    order: Vec<usize>,
    /// Of the function in hand.
    locals: Locals,
}

type Error = reencode::Error<Infallible>;

impl<'a> Packer<'a> {
    fn take(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::TypeSection(types) => {
                for of in types.into_iter_err_on_gc_types() {
                    self.params.push(u32::try_from(of?.params().len())?);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Func(_) = import?.ty {
                        self.functions.push(u32::try_from(self.functions.len())?);
                    }
                }
            }
            Payload::FunctionSection(types) => self.types = types.into_iter().collect::<Result<_, _>>()?,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            _ => {}
        }
        Ok(())
    }

    fn sort(&mut self, bytes: &[u8]) -> Result<()> {
        let codes: Vec<&[u8]> = self.bodies.iter().map(|body| &bytes[body.range()]).collect();
        self.order = order::side_by_side(&codes);
        let imports = self.functions.len();
        self.functions.resize(imports + codes.len(), 0);
        for (now, before) in self.order.iter().enumerate() {
            self.functions[imports + before] = u32::try_from(imports + now)?;
        }
        Ok(())
    }

    fn write_body(&mut self, place: usize, code: &mut CodeSection) -> Result<(), Error> {
        let body = self.bodies[place].clone();
        self.locals = Locals::of(&body, self.params[self.types[place] as usize])?;
        let types = self.locals.types().to_vec().into_iter().map(|of| self.val_type(of));
        let mut function = Function::new_with_locals_types(types.collect::<Result<Vec<_>, _>>()?);
        for operator in body.get_operators_reader()? {
            function.instruction(&self.instruction(operator?)?);
        }
        code.function(&function);
        Ok(())
    }
}

impl Reencode for Packer<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        Ok(self.functions[function as usize])
    }

    fn mem_arg(&mut self, arg: wasmparser::MemArg) -> Result<MemArg, Error> {
        utils::mem_arg(self, wasmparser::MemArg { align: arg.max_align, ..arg })
    }

    fn instruction<'i>(&mut self, operator: Operator<'i>) -> Result<Instruction<'i>, Error> {
        match operator {
            Operator::LocalGet { local_index } => Ok(Instruction::LocalGet(self.locals.number(local_index))),
            Operator::LocalSet { local_index } => Ok(Instruction::LocalSet(self.locals.number(local_index))),
            Operator::LocalTee { local_index } => Ok(Instruction::LocalTee(self.locals.number(local_index))),
            other => utils::instruction(self, other),
        }
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        _: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        for place in self.order.clone() {
            functions.function(self.types[place]);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, _: CodeSectionReader<'_>) -> Result<(), Error> {
        self.order.clone().into_iter().try_for_each(|place| self.write_body(place, code))
    }
}

#[cfg(test)]
mod tests;
