//! What the bindings can reach.

use std::ops::Range;

use super::cut::Cuts;
use super::module::{Link, Module, Symbol};

/// The functions and the data that something leads to.
pub(super) struct Live {
    functions: Vec<bool>,
    symbols: Vec<bool>,
}

impl Live {
    pub(super) fn of(module: &Module<'_>, cuts: &Cuts) -> Self {
        let mut live =
            Self { functions: vec![false; module.bodies.len()], symbols: vec![false; module.symbols.len()] };
        let mut reached: Vec<Symbol> = module.exports.iter().copied().map(Symbol::Function).collect();
        for (place, symbol) in module.symbols.iter().enumerate() {
            if let Symbol::Data(_, true) = symbol {
                live.symbols[place] = true;
                reached.push(symbol.clone());
            }
        }
        while let Some(symbol) = reached.pop() {
            for link in links(module, cuts, &symbol, &mut live.functions) {
                if !std::mem::replace(&mut live.symbols[link.symbol], true) {
                    reached.push(module.symbols[link.symbol].clone());
                }
            }
        }
        live
    }

    /// Whether one of the module's own functions, by its place among them, is reached.
    pub(super) fn has(&self, function: usize) -> bool {
        self.functions[function]
    }

    /// The ranges of all that was data of its own and is not reached.
    pub(super) fn dead(&self, module: &Module<'_>) -> Vec<bool> {
        let mut dead = vec![false; module.bytes.len()];
        for wanted in [false, true] {
            for (symbol, live) in module.symbols.iter().zip(&self.symbols) {
                if let (Symbol::Data(range, _), true) = (symbol, *live == wanted) {
                    dead[range.clone()].fill(!wanted);
                }
            }
        }
        dead
    }
}

/// Where a symbol leads that is reached; a function is looked at once.
fn links<'m>(module: &'m Module<'_>, cuts: &Cuts, symbol: &Symbol, functions: &mut [bool]) -> Vec<&'m Link> {
    match symbol {
        Symbol::Function(index) => {
            let Some(place) = index.checked_sub(module.imports) else { return Vec::new() };
            let place = place as usize;
            if std::mem::replace(&mut functions[place], true) {
                return Vec::new();
            }
            let is_kept =
                |link: &&Link| !cuts.get(place).iter().any(|cut: &Range<usize>| cut.contains(&link.at));
            Module::between(&module.code_links, &module.bodies[place].range())
                .iter()
                .filter(is_kept)
                .collect()
        }
        Symbol::Data(range, _) => Module::between(&module.data_links, range).iter().collect(),
        Symbol::Other => Vec::new(),
    }
}
