//! An echo server on tokio with one thread, a task per connection, and one buffer for all of them: an echo is sent in
//! the same poll that received it, so only what the peer had no room for needs memory of its own.

use socket2::{Domain, Protocol, Socket, Type};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{ErrorKind, Result, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, serve())
}

async fn serve() -> Result<()> {
    let listener = listen()?;
    announce(&listener)?;
    loop {
        let (connection, _) = listener.accept().await?;
        tokio::task::spawn_local(async move {
            // Errors are ignored: the load generator may close with bytes unread.
            let _ = echo(connection).await;
        });
    }
}

async fn echo(mut connection: TcpStream) -> Result<()> {
    while let Some(remainder) = poll_fn(|context| poll_echo(&mut connection, context)).await? {
        connection.write_all(&remainder).await?;
    }
    Ok(())
}

/// Receives once, and sends what was received; returns what the peer had no room for, or `None` at the end.
fn poll_echo(connection: &mut TcpStream, context: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>>> {
    BUFFER.with(|buffer| {
        let buffer = &mut *buffer.borrow_mut();
        let mut received = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *connection).poll_read(context, &mut received))?;
        if received.filled().is_empty() {
            return Poll::Ready(Ok(None));
        }
        let sent = match connection.try_write(received.filled()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            result => result?,
        };
        Poll::Ready(Ok(Some(received.filled()[sent..].to_vec())))
    })
}

fn listen() -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Accepted sockets inherit it.
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}

/// Prints the address at once: the benchmark waits for it.
fn announce(listener: &TcpListener) -> Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "listening on {}", listener.local_addr()?)?;
    output.flush()
}
