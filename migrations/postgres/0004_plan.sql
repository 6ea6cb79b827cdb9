-- Past jobs of a template are found by its newest requests.
CREATE INDEX requests_by_template ON requests (template, created_at);
