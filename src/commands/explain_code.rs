//! `fuse explain-code`

use fuse_rules::Code;

use super::Ended;
use crate::cli::ExplainCode;
use crate::{Exit, output};

pub(crate) fn run(arguments: &ExplainCode) -> Ended {
    match &arguments.code {
        Some(code) => {
            let code: Code = code
                .parse()
                .map_err(|unknown| format!("{unknown}; `fuse explain-code` prints all of them"))?;
            output::print(code.page());
        }
        None => {
            for code in Code::ALL {
                output::print(&format!("{code}  {}\n", code.title()));
            }
        }
    }
    Ok(Exit::Clean)
}
