//! The encrypted computation, step by step and as a whole.

use crate::cli::{assoc, demo, encrypt, grant, panel, result, run as run_cli, share, study};
use crate::console::Console;
use crate::{Error, Result};

macro_rules! to_come {
    ($($name:ident($args:ty);)*) => {$(
        /// Not in this build yet.
        ///
        /// # Errors
        /// Always.
        pub fn $name(_: &$args, _: &Console) -> Result<()> {
            Err(Error::Internal(concat!("`", stringify!($name), "` is not in this build").into()))
        }
    )*};
}

to_come! {
    assoc(assoc::AssocArgs);
    demo(demo::DemoArgs);
    panel(panel::PanelArgs);
    encrypt(encrypt::EncryptArgs);
    study(study::StudyArgs);
    grant(grant::GrantArgs);
    run(run_cli::RunArgs);
    share(share::ShareArgs);
    result(result::ResultArgs);
}
