"""Templates of alerts: what rule files in the wild write, and what is refused."""

from __future__ import annotations

import pytest

from server.rules.template import Sample, Surroundings, Template, TemplateError

AROUND = Surroundings(
    {"instance": "db-1.example.org:9100", "job": "node"},
    1234567.0,
    {"cluster": "eu"},
    "http://gnomon/x",
    lambda text: [Sample({"job": "b", "q": text}, 2.0), Sample({"job": "a", "q": text}, 0.5)],
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{ $labels.instance }} of {{ .Labels.job }}", "db-1.example.org:9100 of node"),
        ("{{ $labels.missing }}.", "."),
        ("{{ $value }} {{ .Value | humanize }}", "1234567 1.235M"),
        ("{{ $externalLabels.cluster }} {{ .ExternalURL }}", "eu http://gnomon/x"),
        ('{{ printf "%.2f%%" 12.345 }}', "12.35%"),
        ('{{ $value | printf "%.1e" }}', "1.2e+06"),
        ('{{ printf "%d" 3 }} {{ printf "%q" "a" }} {{ printf "%d" "x" }}', '3 "a" %!d(string=x)'),
        ("{{ 0.000012 }} {{ 1e21 }} {{ 1e20 }}", "1.2e-05 1e+21 100000000000000000000"),
        ("{{ humanize 0.0123 }} {{ humanize1024 2048 }}", "12.3m 2ki"),
        ("{{ humanizeDuration 3725 }} {{ humanizeDuration 0.25 }}", "1h 2m 5s 250ms"),
        ("{{ humanizePercentage 0.1234 }}", "12.34%"),
        ("{{ humanizeTimestamp 1.5 }}", "1970-01-01 00:00:01.5 +0000 UTC"),
        ("{{ stripPort $labels.instance }}", "db-1.example.org"),
        ("{{ stripDomain $labels.instance }}", "db-1:9100"),
        ('{{ reReplaceAll "(.*)-(\\\\d).*" "$2-$1" "db-1" }}', "1-db"),
        ('{{ if match "^no" $labels.job }}yes{{ else }}no{{ end }}', "yes"),
        ('{{ if eq $labels.job "x" "node" }}1{{ end }}', "1"),
        ("{{ if gt $value 5.0 }}high{{ else if gt $value 1.0 }}mid{{ else }}low{{ end }}", "high"),
        ("{{ with $labels.missing }}x{{ else }}none{{ end }}", "none"),
        ('{{ range query "up" }}{{ .Labels.job }}={{ .Value }} {{ end }}', "b=2 a=0.5 "),
        (
            '{{ range $i, $s := query "up" | sortByLabel "job" }}'
            "{{ $i }}{{ $s.Labels.job }}{{ end }}",
            "0a1b",
        ),
        ('{{ query "up{a=\\"b\\"}" | first | label "q" }}', 'up{a="b"}'),
        ('{{ with query "x" }}{{ . | first | value | humanize }}{{ end }}', "2"),
        ("{{ $x := 5 }}{{ $x }}{{ $x = 6 }}{{ $x }}", "56"),
        ("a {{- /* gone */ -}} b", "ab"),
        ("a  {{- 1 -}}  b", "a1b"),
        ('{{ "x" | toUpper }}{{ title "two words" }}', "XTwo Words"),
        ("{{ `raw \\n` }}", "raw \\n"),
        ('{{ (index $labels "job") }} {{ len "abc" }}', "node 3"),
        ('{{ and true $labels.job }} {{ or "" "b" }} {{ not false }}', "node b true"),
    ],
)  # fmt: skip
def test_what_templates_become(text: str, expected: str) -> None:
    assert Template(text).expand(AROUND) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ $labels.job",
        "{{ nosuch 1 }}",
        "{{ if true }}",
        "{{ end }}",
        "{{ 1 | }}",
        "{{ ( 1 }}",
        '{{ define "x" }}{{ end }}',
        "{{ }}",
        "{{ & }}",
        "{{ if true }}{{ else x }}{{ end }}",
    ],
)
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        Template(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ $nosuch }}",
        "{{ 5 6 }}",
        '{{ "a" | humanize }}',
        "{{ humanize }}",
        "{{ $value.x }}",
        '{{ first "" }}',
        "{{ range 5 }}{{ end }}",
        '{{ gt "a" 5 }}',
    ],
)
def test_what_goes_wrong_is_an_error_of_the_template(text: str) -> None:
    with pytest.raises(TemplateError):
        Template(text).expand(AROUND)
