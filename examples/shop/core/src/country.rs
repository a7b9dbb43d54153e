//! The countries that the shop sells to, with their tax and shipping zone.

/// Where a country lies, as the carrier sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// The United Kingdom.
    Domestic,
    /// Ireland and the Channel Islands.
    Near,
    /// The rest of Europe.
    Europe,
    /// Everywhere else.
    World,
}

/// A country that the shop sells to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country {
    /// Its name, as the data spells it.
    pub name: &'static str,
    /// Value added tax in basis points: the standard rate of December 2010 within the European Union, nothing
    /// outside it. An example's table, not advice on tax.
    pub tax: u32,
    /// Its shipping zone.
    pub zone: Zone,
}

/// The 24 countries of the data, by name.
pub const COUNTRIES: &[Country] = &[
    Country { name: "Australia", tax: 0, zone: Zone::World },
    Country { name: "Austria", tax: 2_000, zone: Zone::Europe },
    Country { name: "Bahrain", tax: 0, zone: Zone::World },
    Country { name: "Belgium", tax: 2_100, zone: Zone::Europe },
    Country { name: "Channel Islands", tax: 0, zone: Zone::Near },
    Country { name: "Cyprus", tax: 1_500, zone: Zone::Europe },
    Country { name: "Denmark", tax: 2_500, zone: Zone::Europe },
    Country { name: "EIRE", tax: 2_100, zone: Zone::Near },
    Country { name: "Finland", tax: 2_300, zone: Zone::Europe },
    Country { name: "France", tax: 1_960, zone: Zone::Europe },
    Country { name: "Germany", tax: 1_900, zone: Zone::Europe },
    Country { name: "Iceland", tax: 0, zone: Zone::Europe },
    Country { name: "Israel", tax: 0, zone: Zone::World },
    Country { name: "Italy", tax: 2_000, zone: Zone::Europe },
    Country { name: "Japan", tax: 0, zone: Zone::World },
    Country { name: "Lithuania", tax: 2_100, zone: Zone::Europe },
    Country { name: "Netherlands", tax: 1_900, zone: Zone::Europe },
    Country { name: "Norway", tax: 0, zone: Zone::Europe },
    Country { name: "Poland", tax: 2_200, zone: Zone::Europe },
    Country { name: "Portugal", tax: 2_100, zone: Zone::Europe },
    Country { name: "Spain", tax: 1_800, zone: Zone::Europe },
    Country { name: "Sweden", tax: 2_500, zone: Zone::Europe },
    Country { name: "Switzerland", tax: 0, zone: Zone::Europe },
    Country { name: "United Kingdom", tax: 1_750, zone: Zone::Domestic },
];

impl Country {
    /// The country of this exact name.
    pub fn named(name: &str) -> Option<&'static Self> {
        COUNTRIES.iter().find(|country| country.name == name)
    }
}
