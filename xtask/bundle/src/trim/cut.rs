//! The code that leads to a trap and to nothing else.

use std::ops::Range;

use anyhow::Result;
use wasmparser::{FunctionBody, Operator};

use super::module::Module;

/// What is left out of each function, in its order.
pub(super) struct Cuts(Vec<Vec<Range<usize>>>);

impl Cuts {
    pub(super) fn of(module: &Module<'_>) -> Result<Self> {
        let silent = silent(module)?;
        let cuts = module.bodies.iter().map(|body| cuts(body, &silent)).collect::<Result<_>>()?;
        Ok(Self(cuts))
    }

    /// Those of a function, by its place among the module's own.
    pub(super) fn get(&self, function: usize) -> &[Range<usize>] {
        &self.0[function]
    }
}

/// Of each function, whether it never returns and nobody would see what it does: neither it nor what it calls asks
/// anything of the bindings. What is called by pointer writes a panic's words.
fn silent(module: &Module<'_>) -> Result<Vec<bool>> {
    let facts = module.bodies.iter().map(Facts::of).collect::<Result<Vec<_>>>()?;
    let imports = usize::try_from(module.imports)?;
    let mut heard = vec![true; imports];
    heard.resize(imports + facts.len(), false);
    let mut has_changed = true;
    while has_changed {
        has_changed = false;
        for (place, facts) in facts.iter().enumerate() {
            let is_heard = facts.calls.iter().any(|called| heard[*called]);
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
    calls: Vec<usize>,
}

impl Facts {
    fn of(body: &FunctionBody<'_>) -> Result<Self> {
        let (mut depth, mut returns, mut calls) = (0_u32, false, Vec::new());
        let (mut last, mut before) = (Operator::Nop, Operator::Nop);
        for operator in body.get_operators_reader()? {
            before = std::mem::replace(&mut last, operator?);
            match &last {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                Operator::Return => returns = true,
                Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                    returns |= *relative_depth == depth;
                }
                Operator::BrTable { targets } => {
                    returns |= targets.default() == depth;
                    for target in targets.targets() {
                        returns |= target? == depth;
                    }
                }
                Operator::Call { function_index } => calls.push(usize::try_from(*function_index)?),
                _ => {}
            }
        }
        Ok(Self { is_endless: !returns && matches!(before, Operator::Unreachable), calls })
    }
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
