//! The SQL Server Browser service: which instance listens on which port.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::server::Inner;
use crate::tokens::{BUILD_TEXT, NAME};
use crate::wire::{count16, from_narrow, narrow};

/// Answers until the server ends.
pub(crate) fn serve(socket: &UdpSocket, inner: &Inner, ends: &Arc<AtomicBool>) {
    let mut question = [0; 1024];
    while let Ok((length, from)) = socket.recv_from(&mut question) {
        if ends.load(Ordering::SeqCst) {
            return;
        }
        let wants = match question[..length].split_first() {
            // CLNT_BCAST_EX and CLNT_UCAST_EX ask for all instances.
            Some((2 | 3, _)) => true,
            Some((4, name)) => {
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                from_narrow(name).eq_ignore_ascii_case(&inner.options.instance)
            }
            _ => false,
        };
        if wants && inner.is_running() {
            let text = format!(
                "ServerName;{NAME};InstanceName;{};IsClustered;No;Version;{BUILD_TEXT};tcp;{};;",
                inner.options.instance,
                inner.port()
            );
            let text = narrow(&text);
            let mut answer = vec![5];
            answer.extend(count16(text.len()).to_le_bytes());
            answer.extend(text);
            let _ = socket.send_to(&answer, from);
        }
    }
}
