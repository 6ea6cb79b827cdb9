//! GitHub: the client for the agent tasks and pull request endpoints.
