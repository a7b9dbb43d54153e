//! The figures as a person reads them.
use std::num::NonZero;
use std::thread::available_parallelism;

use super::contestant::{Contestant, Figures};
use super::options::Options;
use crate::sample::median;

/// What was asked for, and on what.
pub(crate) fn print_head(options: &Options) {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let Options { rounds, seconds, connections, .. } = options;
    println!(
        "cargo xtask bench http --rounds {rounds} --seconds {} --connections {connections}",
        seconds.as_secs_f64()
    );
    println!("{cores} cores for server and load generator together; medians, ratios paired by round\n");
}

/// A line for each; ratios are to the first, and better when they are larger.
pub(crate) fn print(title: &str, contestants: &[Contestant]) {
    let Some(first) = contestants.first() else { return };
    println!("{title:<32}{:>10}{:>8}{:>8}{:>12}{:>8}", "req/s", "ratio", "aim", "CPU µs/req", "ratio");
    for contestant in contestants {
        let pairs = || first.rounds.iter().zip(&contestant.rounds);
        let rate = median(contestant.rounds.iter().map(|round| round.rate).collect());
        let rate_ratio = median(pairs().map(|(first, own)| own.rate / first.rate).collect());
        let cpu = median(contestant.rounds.iter().map(cpu_of).collect());
        let cpu_ratio = median(pairs().map(|(first, own)| cpu_of(first) / cpu_of(own)).collect());
        let aim = contestant.aim.map_or("–".to_owned(), |aim| format!("{aim:.2}"));
        println!("{:<32}{rate:>10.0}{rate_ratio:>8.2}{aim:>8}{cpu:>12.2}{cpu_ratio:>8.2}", contestant.label);
    }
    println!();
}

fn cpu_of(round: &Figures) -> f64 {
    round.cpu.unwrap_or(f64::NAN)
}
