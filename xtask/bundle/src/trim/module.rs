//! What a linked module says of itself: its functions, its data, and what leads from where to where.

use std::ops::Range;

use anyhow::{Context, Result, bail};
use wasmparser::{
    CustomSectionReader, DataSectionReader, ElementItems, ElementSectionReader, ExternalKind, FunctionBody,
    KnownCustom, Linking, Parser, Payload, RelocationEntry, RelocationType, SectionLimited, SymbolFlags,
    SymbolInfo, TypeRef,
};

/// A module with the linker's tables. All ranges are of its bytes.
#[derive(Default)]
pub(super) struct Module<'a> {
    pub(super) bytes: &'a [u8],
    /// How many functions it imports: they have the first indices.
    pub(super) imports: u32,
    /// Its own functions.
    pub(super) bodies: Vec<FunctionBody<'a>>,
    /// Functions that the bindings call.
    pub(super) exports: Vec<u32>,
    /// Where the indices of functions are that can be called by pointer, and these.
    pub(super) elements: Range<usize>,
    pub(super) pointed: Vec<u32>,
    pub(super) symbols: Vec<Symbol>,
    /// What the code leads to, in its order.
    pub(super) code_links: Vec<Link>,
    /// What the data lead to, in their order.
    pub(super) data_links: Vec<Link>,
}

/// How the symbol of `std::panicking::set_hook` is named, whatever is around it.
const SET_HOOK: &str = "9panicking8set_hook";

/// Something that has a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Symbol {
    Function(u32),
    /// Its bytes, and whether it stays in any case.
    Data(Range<usize>, bool),
    Other,
}

/// At `at` there is the place of a symbol.
pub(super) struct Link {
    pub(super) at: usize,
    pub(super) symbol: usize,
}

/// Where the sections begin whose links are counted from there, and the segments of data.
#[derive(Default)]
struct Starts {
    code: usize,
    data: usize,
    segments: Vec<usize>,
}

impl Starts {
    fn take_segments(&mut self, segments: DataSectionReader<'_>) -> Result<()> {
        self.data = segments.range().start;
        for segment in segments {
            let segment = segment?;
            self.segments.push(segment.range.end - segment.data.len());
        }
        Ok(())
    }
}

impl<'a> Module<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut module = Self { bytes, ..Self::default() };
        let mut starts = Starts::default();
        for payload in Parser::new(0).parse_all(bytes) {
            module.take(payload?, &mut starts)?;
        }
        if module.symbols.is_empty() {
            bail!("the module was linked without `--emit-relocs`");
        }
        Ok(module)
    }

    fn take(&mut self, payload: Payload<'a>, starts: &mut Starts) -> Result<()> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    self.imports += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    self.exports.extend((export.kind == ExternalKind::Func).then_some(export.index));
                }
            }
            Payload::StartSection { func, .. } => self.exports.push(func),
            Payload::ElementSection(elements) => self.take_elements(elements)?,
            Payload::CodeSectionStart { range, .. } => starts.code = range.start,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(segments) => starts.take_segments(segments)?,
            Payload::CustomSection(custom) => self.take_linkers(&custom, starts)?,
            _ => {}
        }
        Ok(())
    }

    fn take_linkers(&mut self, custom: &CustomSectionReader<'_>, starts: &Starts) -> Result<()> {
        match custom.as_known() {
            KnownCustom::Linking(linking) => {
                for part in linking.subsections() {
                    let Linking::SymbolTable(symbols) = part? else { continue };
                    let symbols = symbols.into_iter().map(|info| symbol(info?, starts));
                    self.symbols = symbols.collect::<Result<_>>()?;
                }
            }
            KnownCustom::Reloc(links) if custom.name() == "reloc.CODE" => {
                self.code_links = self.links(links.entries(), starts.code)?;
            }
            KnownCustom::Reloc(links) if custom.name() == "reloc.DATA" => {
                self.data_links = self.links(links.entries(), starts.data)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_elements(&mut self, elements: ElementSectionReader<'_>) -> Result<()> {
        let mut elements = elements.into_iter();
        let (Some(only), None) = (elements.next(), elements.next()) else {
            bail!("there is more than one list of functions that are called by pointer")
        };
        let ElementItems::Functions(functions) = only?.items else {
            bail!("a table holds more than functions")
        };
        self.elements = functions.range();
        self.pointed = functions.into_iter().collect::<Result<_, _>>()?;
        Ok(())
    }

    fn links(&self, entries: SectionLimited<'_, RelocationEntry>, start: usize) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        for entry in entries {
            let entry = entry?;
            let symbol = usize::try_from(entry.index)?;
            // The index of a type is no symbol's.
            if entry.ty != RelocationType::TypeIndexLeb && self.symbols.get(symbol) != Some(&Symbol::Other) {
                links.push(Link { at: start + usize::try_from(entry.offset)?, symbol });
            }
        }
        links.sort_by_key(|link| link.at);
        Ok(links)
    }

    /// The links that lie in a range.
    pub(super) fn between<'l>(links: &'l [Link], range: &Range<usize>) -> &'l [Link] {
        let place = |at| links.partition_point(|link| link.at < at);
        &links[place(range.start)..place(range.end)]
    }
}

fn symbol(info: SymbolInfo<'_>, starts: &Starts) -> Result<Symbol> {
    Ok(match info {
        SymbolInfo::Func { name: Some(name), .. } if name.contains(SET_HOOK) => {
            bail!("the page sets a hook for panics, and panics are left out of it")
        }
        SymbolInfo::Func { index, .. } => Symbol::Function(index),
        SymbolInfo::Data { flags, symbol: Some(data), .. } => {
            let start = starts.segments.get(usize::try_from(data.index)?).context("data of no segment")?;
            let start = start + usize::try_from(data.offset)?;
            Symbol::Data(start..start + usize::try_from(data.size)?, flags.contains(SymbolFlags::NO_STRIP))
        }
        _ => Symbol::Other,
    })
}
