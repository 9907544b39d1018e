"""The API over real views, a real writer and a real log; only the other agents are made up."""
