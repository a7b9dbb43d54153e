//! The numbers of a function's locals.

use wasmparser::{FunctionBody, Operator, Result, ValType};

/// A function's locals, numbered by how often each is used; those that are not go.
#[derive(Default)]
pub(super) struct Locals {
    /// The number of each from now on; parameters keep theirs.
    numbers: Vec<u32>,
    types: Vec<ValType>,
}

impl Locals {
    pub(super) fn of(body: &FunctionBody<'_>, params: u32) -> Result<Self> {
        let params = params as usize;
        let mut types = Vec::new();
        for declared in body.get_locals_reader()? {
            let (count, of) = declared?;
            types.extend(std::iter::repeat_n(of, count as usize));
        }
        let mut uses = vec![0_u32; params + types.len()];
        for operator in body.get_operators_reader()? {
            if let Operator::LocalGet { local_index }
            | Operator::LocalSet { local_index }
            | Operator::LocalTee { local_index } = operator?
            {
                uses[local_index as usize] += 1;
            }
        }
        let uses = &uses[params..];
        // Those of a type are declared together.
        let group = |at: usize| types.iter().position(|of| *of == types[at]);
        let mut order: Vec<usize> = (0..types.len()).filter(|at| uses[*at] > 0).collect();
        order.sort_by_key(|at| (group(*at), std::cmp::Reverse(uses[*at])));
        let mut numbers: Vec<u32> = (0..).take(params + types.len()).collect();
        for (now, before) in (0..).zip(&order) {
            numbers[params + before] = params as u32 + now;
        }
        Ok(Self { numbers, types: order.into_iter().map(|at| types[at]).collect() })
    }

    /// What a local is called from now on.
    pub(super) fn number(&self, local: u32) -> u32 {
        self.numbers.get(local as usize).copied().unwrap_or(local)
    }

    /// The types, in their order.
    pub(super) fn types(&self) -> &[ValType] {
        &self.types
    }
}
