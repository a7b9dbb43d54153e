//! The options of a command: `--name VALUE` or `--name=VALUE`, each at most once.

use crate::command::Result;

pub(crate) struct Options(Vec<(&'static str, String)>);

impl Options {
    /// Refuses what is not among `names`, given twice, or without a value.
    pub(crate) fn parse(arguments: Vec<String>, names: &[&'static str]) -> Result<Self> {
        let mut given = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (word, value) = match argument.split_once('=') {
                Some((word, value)) => (word, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let Some(&name) = names.iter().find(|name| word == **name) else {
                return Err(unknown(word, names).into());
            };
            if given.iter().any(|(other, _)| *other == name) {
                return Err(format!("{name} is given twice").into());
            }
            let value = value.or_else(|| arguments.next()).ok_or_else(|| format!("{name} needs a value"))?;
            given.push((name, value));
        }
        Ok(Self(given))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// As words of a command line, in the order in which they were given.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|(name, value)| [*name, value.as_str()])
    }
}

fn unknown(word: &str, names: &[&str]) -> String {
    match names {
        [] => format!("`{word}` is not known here: this command takes no options"),
        names => format!("`{word}` is not known here; the options are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> std::result::Result<String, String> {
        let arguments = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(arguments, &["--port", "--data"])
            .map(|options| options.words().collect::<Vec<_>>().join(" "))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn both_spellings_are_understood() {
        assert_eq!(parse("--port 80 --data=here"), Ok("--port 80 --data here".to_owned()));
        assert_eq!(parse(""), Ok(String::new()));
    }

    #[test]
    fn wrong_use_says_what_is_wrong() {
        let refused = |line| parse(line).err().unwrap_or_default();
        assert_eq!(refused("--prot 80"), "`--prot` is not known here; the options are --port, --data");
        assert_eq!(refused("--port"), "--port needs a value");
        assert_eq!(refused("--port 1 --port 2"), "--port is given twice");
        assert_eq!(refused("80"), "`80` is not known here; the options are --port, --data");
    }
}
