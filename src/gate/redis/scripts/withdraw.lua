-- Takes jobs out of line; unknown ones are ignored.
--
-- Asked     {job, ...}
-- Returns   0
-- Effects   removes jobs; marks the budgets of proposals that end so

begin_change()
withdraw(asked)
return finish(0)
