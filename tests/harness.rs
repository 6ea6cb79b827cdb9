//! The servers that the other integration tests stand on: they start, they are separate, and nothing of
//! them is left when the test process ends, however it ends.

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
