//! The servers and links that the other integration tests stand on: they start, they are separate, they fail when they are
//! told to, and nothing of them is left when the test process ends, however it ends.

#[cfg(test)]
mod support;

#[cfg(test)]
mod servers {
    use std::{
        io::{BufRead, BufReader},
        net::TcpStream,
        process::{Command, Stdio},
        thread,
        time::Duration,
    };

    use sqlx::Connection;

    use crate::support::{Postgres, RedisServer};

    /// Set for the child that starts servers and waits to be killed.
    const CHILD: &str = "SLUICE_HARNESS_CHILD";

    fn answers(port: u16) -> bool {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    }

    /// True once nobody listens on the port; bounded, so that a leftover server fails the test.
    fn falls_silent(port: u16) -> bool {
        (0..500).any(|_| {
            thread::sleep(Duration::from_millis(20));
            !answers(port)
        })
    }

    #[tokio::test]
    async fn each_database_of_the_shared_server_is_new_and_empty() {
        let postgres = Postgres::shared();
        let urls = [postgres.database(), postgres.database()];
        assert_ne!(urls[0], urls[1]);
        for url in urls {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            sqlx::query("CREATE TABLE t (n BIGINT)").execute(&mut connection).await.unwrap();
            let (rows,): (i64,) =
                sqlx::query_as("SELECT COUNT(*) FROM t").fetch_one(&mut connection).await.unwrap();
            assert_eq!(rows, 0);
        }
    }

    #[test]
    fn a_server_is_gone_when_its_handle_is_dropped() {
        let (postgres, redis) = (Postgres::start(), RedisServer::start());
        let ports = [postgres.port(), redis.port()];
        assert!(redis.url().contains(&ports[1].to_string()));
        assert!(ports.into_iter().all(answers));
        drop((postgres, redis));
        assert!(!ports.into_iter().any(answers));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "tells the child's run of this program from the parent's")]
    fn the_servers_of_this_child_run_until_it_is_killed() {
        if std::env::var_os(CHILD).is_some() {
            let (postgres, redis) = (Postgres::shared(), RedisServer::shared());
            println!("\nports {} {}", postgres.port(), redis.port());
            thread::park();
        }
    }

    #[test]
    fn no_server_outlives_a_test_process_that_is_killed() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "servers::the_servers_of_this_child_run_until_it_is_killed", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told = lines.find(|line| line.starts_with("ports ")).unwrap();
        let ports: Vec<u16> = told.split(' ').skip(1).map(|port| port.parse().unwrap()).collect();
        assert!(ports.len() == 2 && ports.iter().all(|port| answers(*port)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ports.into_iter().all(falls_silent));
    }
}

#[cfg(test)]
mod links {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        thread,
        time::Duration,
    };

    use crate::support::{Link, Postgres, RedisServer, Weather};

    /// Long enough to see that nothing comes; nothing is decided by how long it takes.
    const SILENCE: Duration = Duration::from_millis(150);
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A server that says back what it hears, preceded by its own mark.
    fn echo(mark: u8) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut heard = [0];
                    while stream.read_exact(&mut heard).is_ok() && stream.write_all(&[mark, heard[0]]).is_ok()
                    {
                    }
                });
            }
        });
        port
    }

    fn connect(link: &Link) -> TcpStream {
        TcpStream::connect(("127.0.0.1", link.port())).unwrap()
    }

    /// What comes back within the time; None: nothing, or the connection is over.
    fn say(stream: &mut TcpStream, word: u8, within: Duration) -> Option<[u8; 2]> {
        stream.write_all(&[word]).ok()?;
        hear(stream, within)
    }

    fn hear(stream: &mut TcpStream, within: Duration) -> Option<[u8; 2]> {
        stream.set_read_timeout(Some(within)).unwrap();
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).ok()?;
        Some(answer)
    }

    #[test]
    fn a_link_carries_until_it_is_cut_and_again_when_it_is_mended() {
        let link = Link::to(echo(b'a'));
        let mut stream = connect(&link);
        assert_eq!(say(&mut stream, b'1', PATIENCE), Some(*b"a1"));
        link.set(Weather::Slow(20));
        assert_eq!(say(&mut stream, b'2', PATIENCE), Some(*b"a2"));
        link.set(Weather::Cut);
        assert_eq!(say(&mut stream, b'3', PATIENCE), None);
        assert_eq!(say(&mut connect(&link), b'4', PATIENCE), None);
        link.set(Weather::Fair);
        assert_eq!(say(&mut connect(&link), b'5', PATIENCE), Some(*b"a5"));
    }

    #[test]
    fn a_stalled_link_loses_nothing_and_a_deaf_one_loses_the_answers() {
        let link = Link::to(echo(b'a'));
        let mut stream = connect(&link);
        link.set(Weather::Stalled);
        assert_eq!(say(&mut stream, b'1', SILENCE), None);
        link.set(Weather::Fair);
        assert_eq!(hear(&mut stream, PATIENCE), Some(*b"a1"));
        link.set(Weather::Deaf);
        assert_eq!(say(&mut stream, b'2', SILENCE), None);
        link.set(Weather::Fair);
        assert_eq!(hear(&mut stream, PATIENCE), None);
    }

    #[test]
    fn a_link_follows_its_server_to_another_port() {
        let link = Link::to(echo(b'a'));
        let mut stream = connect(&link);
        assert_eq!(say(&mut stream, b'1', PATIENCE), Some(*b"a1"));
        link.retarget(echo(b'b'));
        assert_eq!(say(&mut stream, b'2', PATIENCE), None);
        assert_eq!(say(&mut connect(&link), b'3', PATIENCE), Some(*b"b3"));
    }

    #[test]
    fn a_restored_redis_has_what_was_dumped_and_nothing_newer() {
        let first = RedisServer::start();
        first.ask::<()>(&["SET", "old", "1"]);
        let dump = first.dump();
        first.ask::<()>(&["SET", "new", "1"]);
        assert_eq!(first.keys(), ["new", "old"]);
        drop(first);
        assert_eq!(RedisServer::restored(&dump).keys(), ["old"]);
    }

    #[tokio::test]
    async fn what_was_committed_survives_the_immediate_end_of_a_restartable_postgres() {
        use sqlx::Connection;
        let postgres = Postgres::restartable();
        let name = postgres.new_database();
        let url = |port| format!("postgres://postgres@127.0.0.1:{port}/{name}");
        let mut connection = sqlx::PgConnection::connect(&url(postgres.port())).await.unwrap();
        sqlx::query("CREATE TABLE t (n BIGINT)").execute(&mut connection).await.unwrap();
        sqlx::query("INSERT INTO t VALUES (7)").execute(&mut connection).await.unwrap();
        postgres.stop();
        sqlx::query("SELECT 1").execute(&mut connection).await.unwrap_err();
        let port = postgres.start_again();
        let mut connection = sqlx::PgConnection::connect(&url(port)).await.unwrap();
        let (n,): (i64,) = sqlx::query_as("SELECT n FROM t").fetch_one(&mut connection).await.unwrap();
        assert_eq!(n, 7);
    }
}
