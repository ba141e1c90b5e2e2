use std::collections::VecDeque;

/// A command line, taken apart as far as an example needs it: `--name value`, `--name=value`, `--flag`, and the rest.
#[derive(Debug)]
pub struct Args {
    rest: VecDeque<String>,
}

impl Args {
    /// The arguments of this program.
    pub fn of_program() -> Self {
        Self { rest: std::env::args().skip(1).collect() }
    }

    /// Takes the option `--name` with its value.
    ///
    /// # Errors
    ///
    /// When the option is there without a value.
    pub fn value(&mut self, name: &str) -> Result<Option<String>, String> {
        let with = format!("{name}=");
        let found = self.options().position(|arg| arg == name || arg.starts_with(&with));
        let Some(index) = found else { return Ok(None) };
        let arg = self.rest.remove(index).unwrap_or_default();
        if let Some(value) = arg.strip_prefix(&with) {
            return Ok(Some(value.to_owned()));
        }
        self.rest.remove(index).map(Some).ok_or_else(|| format!("{name} needs a value"))
    }

    /// Takes the option `--name`, which has no value.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.options().position(|arg| arg == name);
        found.is_some_and(|index| self.rest.remove(index).is_some())
    }

    /// Everything else.
    ///
    /// # Errors
    ///
    /// When there is an option that nobody took.
    pub fn rest(self) -> Result<Vec<String>, String> {
        if let Some(unknown) = self.options().find(|arg| arg.starts_with("--") && arg.len() > 2) {
            return Err(format!("unknown option {unknown}"));
        }
        let mut seen_end = false;
        let is_meant = |arg: &String| {
            let is_end = !seen_end && arg == "--";
            seen_end |= is_end;
            !is_end
        };
        Ok(self.rest.into_iter().filter(is_meant).collect())
    }

    /// The arguments before `--`, which ends the options.
    fn options(&self) -> impl Iterator<Item = &String> {
        self.rest.iter().take_while(|arg| *arg != "--")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_two_dashes_is_no_option() {
        let rest = ["--a", "1", "x", "--", "--b", "--", "y"].map(str::to_owned).into();
        let mut args = Args { rest };
        assert_eq!(args.value("--a"), Ok(Some("1".to_owned())));
        assert!(!args.flag("--b"));
        assert_eq!(args.rest(), Ok(["x", "--b", "--", "y"].map(str::to_owned).into()));
    }
}
