//! Exit codes.

macro_rules! exits {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        /// How the command ends. The numbers are part of the interface: scripts may rely on them.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Exit { $(#[doc = $text] $name = $code,)* }

        impl Exit {
            /// Every exit code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// When a command ends like this.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

exits! {
    Success = 0, "done";
    Usage = 2, "the arguments are wrong";
    Input = 3, "an input file is missing, malformed or does not fit the others";
    Key = 4, "a key file or passphrase can't be used";
    Network = 5, "the server can't be reached, or failed";
    Refused = 6, "the server refused: not allowed, not found, or not acceptable";
    Corrupt = 7, "something does not verify: a digest, a signature, a ciphertext";
    Disk = 8, "a file can't be read or written";
    Internal = 70, "a bug";
    Interrupted = 130, "interrupted by Ctrl-C (143 when terminated)";
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The table that `hegwas help exit-codes` prints.
    pub fn table() -> String {
        let line = |exit: &Self| format!("{:>5}  {}\n", exit.code(), exit.meaning());
        Self::ALL.iter().map(line).collect()
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_are_distinct_and_ascending() {
        assert!(Exit::ALL.is_sorted_by(|a, b| a.code() < b.code()));
        assert_eq!(Exit::table().lines().count(), Exit::ALL.len());
    }
}
