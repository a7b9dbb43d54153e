use std::ffi::OsString;
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;

use clap::{Args, FromArgMatches};
use serde_json::Value;
use staffa_context::Context;
use staffa_telemetry::{LogFormat, Options, Telemetry};

use crate::process::{Composed, Plan, Process, Seed};
use crate::recorder::Recorder;
use crate::settings::{self, Common, Flags, Loaded, Section, Settings};
use crate::signal::Signals;
use crate::{Error, Outcome, Result, Service};

/// Runs one service to its end, as `main`: reads the command line and the settings, starts, serves, and stops on
/// SIGTERM or SIGINT. The exit code is an [`Outcome`].
pub fn main<S, C>(name: &'static str, compose: C) -> ExitCode
where
    S: Settings,
    C: AsyncFnOnce(&Context, &mut Service<S>) -> Result<()> + 'static,
{
    Host::new(name).service(name, compose).run()
}

/// A process that hosts services behind one listener, each with its own section of the settings, store, context
/// and `service.name`.
pub struct Host {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) services: Vec<Hosted>,
    pub(crate) only: Option<Vec<String>>,
}

/// One service before it is composed.
pub(crate) struct Hosted {
    pub(crate) name: &'static str,
    section: Section,
    compose: Composer,
}

type Composer = Box<dyn FnOnce(Seed, Value) -> Pin<Box<dyn Future<Output = Result<Composed>>>>>;

impl Host {
    /// A process of this name without services. `<name>.toml` is its settings file.
    pub fn new(name: &'static str) -> Self {
        Self { name, version: "", services: Vec::new(), only: None }
    }

    /// The version that is told by `--version`, in traces, metrics and the OpenAPI document.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Adds a service. Its settings are the section of its name; services are composed in this order.
    #[must_use]
    pub fn service<S, C>(self, name: &'static str, compose: C) -> Self
    where
        S: Settings,
        C: AsyncFnOnce(&Context, &mut Service<S>) -> Result<()> + 'static,
    {
        self.hosted::<S, C>(name, compose, move |section| {
            settings::read(section).map_err(|problem| Error::settings(problem).context(name))
        })
    }

    /// The same with the settings given.
    pub(crate) fn service_with<S, C>(self, name: &'static str, compose: C, settings: S) -> Self
    where
        S: Settings,
        C: AsyncFnOnce(&Context, &mut Service<S>) -> Result<()> + 'static,
    {
        self.hosted::<S, C>(name, compose, |_| Ok(settings))
    }

    fn hosted<S, C>(
        mut self,
        name: &'static str,
        compose: C,
        settings: impl FnOnce(Value) -> Result<S> + 'static,
    ) -> Self
    where
        S: Settings,
        C: AsyncFnOnce(&Context, &mut Service<S>) -> Result<()> + 'static,
    {
        let compose: Composer = Box::new(move |seed, section| {
            Box::pin(async move {
                let mut service = seed.service(settings(section)?);
                let ctx = service.inner.context.clone();
                compose(&ctx, &mut service).await.map_err(|error| error.context(name))?;
                Ok(Composed::of(service))
            })
        });
        self.services.push(Hosted { name, section: Section::of::<S>(name), compose });
        self
    }

    /// Starts these services alone; the others are reached at their URLs in `[services]`. The settings may still
    /// have their sections.
    #[must_use]
    pub fn only(mut self, services: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.only = Some(services.into_iter().map(Into::into).collect());
        self
    }

    /// Runs the process with the command line that it was started with.
    pub fn run(self) -> ExitCode {
        let version = Some(self.version).filter(|version| !version.is_empty());
        let command = Flags::augment_args(clap::Command::new(self.name).version(version));
        let flags = command.try_get_matches().and_then(|matches| Flags::from_arg_matches(&matches));
        match flags {
            Ok(flags) => self.run_with(&flags),
            // It prints help on standard output with 0, and what is wrong on standard error with 2.
            Err(told) => told.exit(),
        }
    }

    /// Runs the process with a command line that was read by a command of one's own.
    pub fn run_with(self, flags: &Flags) -> ExitCode {
        match self.live(flags) {
            Ok(outcome) => outcome.into(),
            Err(error) => {
                say(&error);
                error.outcome().into()
            }
        }
    }

    fn live(self, flags: &Flags) -> Result<Outcome> {
        let name = self.name;
        let conventional = PathBuf::from(format!("{name}.toml"));
        let file = flags.config.clone().or_else(|| conventional.exists().then_some(conventional));
        let (plan, loaded) = self.plan(file.as_deref(), flags, environment(std::env::vars_os())?)?;
        if flags.print_settings {
            print(&loaded.print());
            return Ok(Outcome::Stopped);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let outcome = runtime.block_on(live(plan));
        // What blocks a thread of the pool for ever must not keep the process.
        runtime.shutdown_background();
        outcome
    }

    /// Reads the settings, and refuses what cannot be started.
    pub(crate) fn plan(
        self,
        file: Option<&Path>,
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Plan, Loaded)> {
        let names: Vec<&str> = self.services.iter().map(|hosted| hosted.name).collect();
        refuse_names(&names, self.only.as_deref())?;
        let mut sections = Vec::new();
        let mut composers = Vec::new();
        for hosted in self.services {
            sections.push(hosted.section);
            composers.push((hosted.name, hosted.compose));
        }
        let loaded = Loaded::read(sections, file, flags, environment)
            .map_err(|problems| Error::settings(problems.to_string()))?;
        let chosen = |name: &str| self.only.as_ref().is_none_or(|only| only.iter().any(|it| it == name));
        let services = composers.into_iter().filter(|(name, _)| chosen(name)).map(|(name, compose)| {
            let section = loaded.section(name);
            let compose = Box::new(move |seed| compose(seed, section)) as crate::process::Compose;
            (name, compose)
        });
        let services = services.collect();
        let plan = Plan { name: self.name, version: self.version, common: loaded.common(), services };
        Ok((plan, loaded))
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.services.iter().map(|hosted| hosted.name).collect();
        f.debug_struct("Host").field("name", &self.name).field("services", &names).finish_non_exhaustive()
    }
}

/// A name twice, a name that is a common section's, and the choice of a service that is not there.
fn refuse_names(names: &[&str], only: Option<&[String]>) -> Result<()> {
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            return Err(Error::new(format!("two services are named `{name}`")));
        }
        if settings::is_common(name) {
            return Err(Error::new(format!(
                "a service cannot be named `{name}`: every process has that section"
            )));
        }
    }
    match only.into_iter().flatten().find(|name| !names.contains(&name.as_str())) {
        Some(unknown) => {
            Err(Error::settings(format!("there is no service `{unknown}`; known are {}", names.join(", "))))
        }
        None => Ok(()),
    }
}

async fn live(plan: Plan) -> Result<Outcome> {
    let mut signals = Signals::listen()?;
    let telemetry = Telemetry::install(options(&plan)).map_err(|error| not_installed(&error))?;
    let grace = *plan.common.stop.grace;
    let outcome = serve(plan, Recorder::Installed(telemetry.clone()), &mut signals).await;
    // It blocks until what is waiting was sent.
    #[expect(clippy::disallowed_methods, reason = "every context has ended by now")]
    let flushed = tokio::task::spawn_blocking(move || telemetry.shutdown(grace)).await;
    if !flushed.unwrap_or(false) {
        tracing::warn!("some telemetry could not be sent");
    }
    outcome
}

async fn serve(plan: Plan, recorder: Recorder, signals: &mut Signals) -> Result<Outcome> {
    let process = tokio::select! {
        process = Process::start(plan, recorder) => process?,
        _ = signals.next() => return Ok(Outcome::Stopped),
    };
    tokio::select! {
        _ = signals.next() => tracing::info!("stopping"),
        () = process.trouble() => tracing::error!("stopping, since a background job failed"),
    }
    tokio::select! {
        outcome = process.stop() => Ok(outcome),
        number = signals.next() => std::process::exit(128 + number),
    }
}

fn options(plan: &Plan) -> Options {
    let Common { log, trace, .. } = &plan.common;
    Options {
        service: plan.name.to_owned(),
        version: plan.version.to_owned(),
        log: match log.format {
            settings::LogFormat::Human => LogFormat::Human,
            settings::LogFormat::Json => LogFormat::Json,
        },
        level: log.level.clone(),
        otlp: trace.otlp.clone(),
        sample_ratio: trace.sample,
        recent_traces: trace.recent,
        ..Options::default()
    }
}

/// The variables that are settings. One that is not text is refused: it would name another file than was meant.
fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>> {
    let named = variables.filter_map(|(name, text)| Some((name.into_string().ok()?, text)));
    named
        .filter(|(name, _)| name.starts_with("STAFFA__"))
        .map(|(name, text)| match text.into_string() {
            Ok(text) => Ok((name, text)),
            Err(_) => Err(Error::settings(format!("{name}: its value is not UTF-8 text"))),
        })
        .collect()
}

/// A start that failed because of what was set is told apart from one that failed.
fn not_installed(error: &staffa_telemetry::Error) -> Error {
    use staffa_telemetry::Error::{AlreadyInstalled, Thread};
    match error {
        AlreadyInstalled | Thread(_) => Error::new(error.to_string()),
        _ => Error::settings(error.to_string()),
    }
}

/// Tells the person who started the process why it does not run. Nobody may be reading.
fn say(error: &Error) {
    let _ = writeln!(std::io::stderr(), "{error}");
}

/// Prints what was asked for. The reader may have seen enough before the end.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_variable_of_ours_that_is_not_text_is_refused_and_no_other() {
        let odd = || OsString::from_vec(vec![b'd', 0xff]);
        let read = |name: &str| environment([(OsString::from(name), odd())].into_iter());
        assert!(read("PATH").is_ok_and(|ours| ours.is_empty()));
        let refused = read("STAFFA__STORE__URL").err();
        let told = refused.as_ref().map(Error::to_string).unwrap_or_default();
        assert_eq!(told, "STAFFA__STORE__URL: its value is not UTF-8 text");
        assert_eq!(refused.map(|error| error.outcome()), Some(Outcome::SettingsWrong));
    }
}
