-- Title and description that the job's pull request is given; NULL: the agent's own.
ALTER TABLE prompts ADD COLUMN pull_text_json TEXT;
