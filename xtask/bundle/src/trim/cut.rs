//! The code that leads to a trap and to nothing else.
//!
//! A call of an endless function that stands before a trap is such code if nobody would see what that function does: neither it
//! nor what it calls asks anything of the bindings. Where a call by pointer leads is not known. So this is taken for granted of
//! what rustc makes with `panic = "abort"`: what an endless function, or a function on its way, calls by pointer forms and tells
//! a panic's words. That holds since rustc puts a trap behind a call of type `!` alone; those of the standard library panic or
//! abort; a closure of the bindings is called from outside; and a page that sets a hook is refused. A page's own
//! `fn(…) -> !` may call what it likes: if it serves for ever, it calls in a loop, which no panic does, and stays; one
//! that works through pointers once and ends in a panic must not be written for the page. To let every call by pointer be heard
//! would cost the page 11 KB after gzip.

use std::ops::Range;

use anyhow::{Context, Result};
use wasmparser::{FunctionBody, Operator, Validator, WasmFeatures};

use super::module::Module;

/// What is left out of each function, in its order.
pub(super) struct Cuts(Vec<Vec<Range<usize>>>);

impl Cuts {
    pub(super) fn of(module: &Module<'_>) -> Result<Self> {
        refuse_unknown(module)?;
        let silent = silent(module)?;
        let cuts = module.bodies.iter().map(|body| cuts(body, &silent)).collect::<Result<_>>()?;
        Ok(Self(cuts))
    }

    /// Those of a function, by its place among the module's own.
    pub(super) fn get(&self, function: usize) -> &[Range<usize>] {
        &self.0[function]
    }
}

/// Refuses operators of proposals that rustc does not use for this target: a tail call or the table of an exception leads where
/// nobody looks here.
fn refuse_unknown(module: &Module<'_>) -> Result<()> {
    let known = WasmFeatures::WASM1
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION;
    let validated = Validator::new_with_features(known).validate_all(module.bytes);
    validated.map(drop).context("the module has operators whose ways are not known")
}

/// Of each function, whether it never returns and nobody would see what it does.
fn silent(module: &Module<'_>) -> Result<Vec<bool>> {
    let facts = module.bodies.iter().map(Facts::of).collect::<Result<Vec<_>>>()?;
    let imports = usize::try_from(module.imports)?;
    let mut heard = vec![true; imports];
    heard.resize(imports + facts.len(), false);
    let mut has_changed = true;
    while has_changed {
        has_changed = false;
        for (place, facts) in facts.iter().enumerate() {
            let is_heard = facts.serves || facts.calls.iter().any(|called| heard[*called]);
            has_changed |= is_heard && !heard[imports + place];
            heard[imports + place] |= is_heard;
        }
    }
    let own = facts.iter().zip(&heard[imports..]).map(|(facts, heard)| facts.is_endless && !heard);
    Ok(std::iter::repeat_n(false, imports).chain(own).collect())
}

/// What a function says of itself.
struct Facts {
    /// No way leads out of it.
    is_endless: bool,
    /// It is endless, and calls something in a loop.
    serves: bool,
    calls: Vec<usize>,
}

impl Facts {
    fn of(body: &FunctionBody<'_>) -> Result<Self> {
        // Of each block, whether it is in a loop.
        let mut blocks: Vec<bool> = Vec::new();
        let (mut returns, mut repeats, mut calls) = (false, false, Vec::new());
        let (mut last, mut before) = (Operator::Nop, Operator::Nop);
        for operator in body.get_operators_reader()? {
            before = std::mem::replace(&mut last, operator?);
            match &last {
                Operator::Block { .. } | Operator::If { .. } => blocks.push(is_in_loop(&blocks)),
                Operator::Loop { .. } => blocks.push(true),
                Operator::End => drop(blocks.pop()),
                Operator::Return => returns = true,
                Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                    returns |= *relative_depth as usize == blocks.len();
                }
                Operator::BrTable { targets } => {
                    returns |= targets.default() as usize == blocks.len();
                    for target in targets.targets() {
                        returns |= target? as usize == blocks.len();
                    }
                }
                Operator::Call { function_index } => {
                    repeats |= is_in_loop(&blocks);
                    calls.push(usize::try_from(*function_index)?)
                }
                Operator::CallIndirect { .. } => repeats |= is_in_loop(&blocks),
                _ => {}
            }
        }
        let is_endless = !returns && matches!(before, Operator::Unreachable);
        Ok(Self { is_endless, serves: is_endless && repeats, calls })
    }
}

fn is_in_loop(blocks: &[bool]) -> bool {
    blocks.last().is_some_and(|is_in_loop| *is_in_loop)
}

/// What is left out of one function: to each trap, the straight code that leads there, and then the code behind it.
fn cuts(body: &FunctionBody<'_>, silent: &[bool]) -> Result<Vec<Range<usize>>> {
    let operators = body.get_operators_reader()?.into_iter_with_offsets().collect::<Result<Vec<_>, _>>()?;
    let mut cutter =
        Cutter { straight: body.get_binary_reader_for_operators()?.original_position(), ..Cutter::default() };
    for (place, (operator, at)) in operators.iter().enumerate() {
        let (next, end) = match operators.get(place + 1) {
            Some((next, end)) => (Some(next), *end),
            None => (None, body.range().end),
        };
        let is_straight = match operator {
            Operator::Call { function_index } => {
                silent[usize::try_from(*function_index)?] && matches!(next, Some(Operator::Unreachable))
            }
            other => is_straight(other),
        };
        cutter.see(operator, is_straight, *at..end);
    }
    cutter.cuts.retain(|cut| !cut.is_empty());
    Ok(cutter.cuts)
}

/// A walk through a function.
#[derive(Default)]
struct Cutter {
    cuts: Vec<Range<usize>>,
    /// Where straight code began that goes up to here.
    straight: usize,
    /// Behind a trap, how many blocks have begun since.
    dead: Option<u32>,
}

impl Cutter {
    fn see(&mut self, operator: &Operator<'_>, is_straight: bool, at: Range<usize>) {
        match (&mut self.dead, operator) {
            (Some(depth), Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }) => {
                *depth += 1
            }
            (Some(0), Operator::Else | Operator::End) => {
                self.cuts.push(self.straight..at.start);
                (self.dead, self.straight) = (None, at.end);
            }
            (Some(depth), Operator::End) => *depth -= 1,
            (Some(_), _) => {}
            (None, Operator::Unreachable) => {
                self.cuts.push(self.straight..at.start);
                (self.dead, self.straight) = (Some(0), at.end);
            }
            (None, _) if !is_straight => self.straight = at.end,
            (None, _) => {}
        }
    }
}

/// Whether an operator acts on the instance alone, and the next one comes after it.
fn is_straight(operator: &Operator<'_>) -> bool {
    !matches!(
        operator,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::Unreachable
    )
}
