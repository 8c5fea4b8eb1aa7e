"""What a page keeps of a dataset's records."""

from types import SimpleNamespace

from iqstream.plot.page import Drawn, page_of
from tests.sink_samples import feature_record, make_spec, whole_sample

SPEC = make_spec(samples=10)


def drawn(**options):
    dataset = SimpleNamespace(spec=SPEC, name="x", accepted=9, requested=10)
    return Drawn(dataset=dataset, **options)


def test_a_replayed_recording_is_drawn_once_as_it_was_last_whatever_the_order_of_records():
    records = [feature_record(SPEC, 0, generation=generation, snr_db=10.0 + generation) for generation in range(3)]
    for order in (records, records[::-1], [records[1], records[2], records[0]]):
        page = drawn()
        for record in order:
            page.add(record)
        assert [link.snr_db for link in page.links] == [12.0]
        assert len(page.errors) == 1


def test_of_many_samples_one_in_so_many_is_drawn_with_all_its_receivers_and_the_title_says_so():
    page = drawn(every=4)
    for index in range(10):
        for record in whole_sample(SPEC, index):
            page.add(record)
    assert page.samples == {0, 4, 8}
    assert len(page.links) == 9
    assert "of 4 samples one is drawn" in page_of(page, (), None).title
    assert "drawn" not in page_of(drawn(), (), None).title
