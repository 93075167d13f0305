"""What several tests share: tiny models, photos, works of jobs, a stand-in for the models behind the page."""
