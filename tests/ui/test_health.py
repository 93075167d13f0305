"""What whoever watches the server is told: 200 while the lanes work, 503 with the reason while one does not."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.page.media import routes
from ui.server.service import Service


def test_health_is_well_and_not_while_a_lane_cannot_go_on(service: Service) -> None:
    client = TestClient(Starlette(routes=routes(service)))
    answer = client.get("/health")
    assert answer.status_code == 200 and answer.json()["is_well"] and answer.json()["notes"] == []
    assert [lane["lane"] for lane in answer.json()["lanes"]] == ["forget", "quick"]
    lane = service.jobs._lanes["quick"]
    lane._trouble, lane._trouble_since = "Too many open files", 1.0
    lane.stop()
    answer = client.get("/health")
    told = answer.json()["lanes"][1]
    assert answer.status_code == 503 and told["trouble"] == "Too many open files" and not told["is_alive"]
