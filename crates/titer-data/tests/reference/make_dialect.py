"""Writes dialect.json: what transformers' Jinja makes of small templates, each a feature that published chat templates use.

    python crates/titer-data/tests/reference/make_dialect.py

Needs transformers and jinja2. `None` where it refuses the template.
"""

import datetime
import json
import pathlib

import transformers.utils.chat_template_utils as chat_templates


class Fixed(datetime.datetime):
    """The date that titer's test sets."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 6)


chat_templates.datetime = Fixed

VARIABLES = {
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"b": 1, "a": [True, None, 1.5, "<é&'\">"]}}}],
    "none": None,
    "text": "Hé <b>&'q'\"\n",
    "words": ["a", "b b", "ccc"],
    "number": 7,
    "real": 2.0,
    "tiny": 1e-7,
    "reals": [1e-7, 1e16, -2.5e-05, 0.0001, 123456789.0, -0.0],
    "odd": ["\u200b", "\xa0", "\xad", "\u2028", "\ufeff", "\U0001f600", "\U000e0041", "\x7f\x00\x1b", "it's", "\"it's\""],
    "big": 1e16,
    "yes": True,
    "empty": "",
    "map": {"k": "v", "n": None, "l": [1, 2]},
    "messages": [{"role": "user", "content": "u1"}, {"role": "assistant", "content": "a1"}, {"role": "user", "content": "u2"}],
}

EXPRESSIONS = r"""
tools | tojson
tools | tojson(indent=4)
tools[0] | tojson(indent=2)
tools | tojson(ensure_ascii=True)
tools | tojson(ensure_ascii=False)
tools | tojson(separators=(',', ':'))
tools | tojson(separators=[', ', ': '], sort_keys=True)
tools | tojson(indent=2, separators=(',', ':'))
text | tojson
text | tojson(ensure_ascii=true)
'\u2028\x7f\t\b\f\r\\/' | tojson
'😀' | tojson(ensure_ascii=true)
real | tojson
tiny | tojson
big | tojson
[] | tojson
{} | tojson(indent=2)
[[], {}] | tojson(indent=1)
words | tojson(indent='  ')
undefined_thing | tojson
map | tojson(True)
(1, 2) | tojson
map.items() | list | tojson
'%s' % text
'%s and %s' % (number, words)
'%d%%' % number
'%05.1f|%-4d|%+d' % (real, number, number)
'%r' % text
'%s' % none
'%s' % words
'%(k)s' % map
'%x %X %o' % (255, 255, 8)
'a' ~ '%s' % number ~ 'b'
('%s' % number) | length
'%s' % words | join(',')
'%s' % number + '!'
'x%sx' % (number)
words[number % 3]
number % 4
-7 % 3
text % number
'%s' % messages[0].content
'%s' % messages[0]['content'].upper()
'%s, %s' | format(number, text)
'%s' | format(none)
text | wordcount
'a b  c\nd' | wordcount
none
yes
number
real
tiny
big
1e3
123456789.123
0.1 + 0.2
10 / 4
10 / 5
7 // 2
-7 // 2
2 ** 10
words
map
tools
messages[0]
(1, 'a')
(1,)
()
[text]
['it\'s']
['a"b\'c']
['\n\t\\é']
{'a': none, 'b': true, 1: 2.5}
undefined_thing
undefined_thing ~ 'x'
none ~ 'x'
true ~ 1 ~ 1.0
words ~ map
undefined_thing is defined
undefined_thing is none
none is none
none is iterable
undefined_thing is iterable
number is iterable
text is iterable
words is iterable
map is iterable
map.items() is iterable
none is sequence
text is sequence
words is sequence
map is sequence
number is sequence
none is mapping
map is mapping
words is mapping
text is string
number is number
yes is number
yes is boolean
yes is integer
real is float
number is integer
number is odd
number is even
number is divisibleby 7
text is string and text is not none
text is in [text]
'a' in words
'z' not in words
'k' in map
'content' in messages[0]
'a' in 'cat'
none == false
true == 1
1 == 1.0
'1' == 1
[1, 2] == [1, 2]
map == {'k': 'v', 'n': none, 'l': [1, 2]}
1 < number < 9
1 < number > 9
not words
not empty
words and 'yes'
empty or 'other'
none or empty or 'last'
'a' if words
'a' if empty
'a' if empty else 'b'
('a' if empty) is defined
text.strip()
text.lstrip('H')
text.rstrip('\n')
'  x '.strip()
'xxabxx'.strip('x')
text.split()
'a  b c'.split(' ')
'a,b,c'.split(',', 1)
'a,b,c'.rsplit(',', 1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.split(sep=',')
'a b  c'.rsplit(none, 1)
'a,b,c'.rsplit(',')
' a  b '.rsplit()
'a\nb'.splitlines(keepends=true)
'a b'.split(' ')[-1]
'a</think>b</think>c'.split('</think>')[-1]
'a</think>b'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')
'no'.split('</think>')[-1]
text.replace('H', 'J')
'aaa'.replace('a', 'b', 2)
text.upper()
text.lower()
'hello world'.title()
'hello world'.capitalize()
'Ab'.swapcase()
text.startswith('Hé')
text.startswith(('x', 'H'))
text.endswith('\n')
text.find('<')
text.rfind('q')
text.find('zz')
text.index('<')
'abcabc'.count('bc')
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'a-b'.partition('z')
','.join(words)
', '.join(messages | map(attribute='content'))
'{} and {}'.format(number, text)
'{0}-{1}-{0}'.format('a', 'b')
'{a}'.format(a=1)
'{:>4}'.format(number)
'{:.2f}'.format(real)
'ab'.center(6) ~ '|'
'ab'.center(5) ~ '|'
'abc'.center(6) ~ '|'
'ab'.ljust(5) ~ '|'
'ab'.rjust(5, '.')
'7'.zfill(3)
'a\tb'.expandtabs(4)
'a\nb\r\nc'.splitlines()
'a\nb'.splitlines(true)
'12'.isdigit()
'1a'.isalnum()
'ab'.isalpha()
' '.isspace()
'Ab'.isupper()
'ab'.islower()
'Ab Cd'.istitle()
'abc'.removeprefix('a')
'abc'.removesuffix('c')
'abc'.casefold()
'abc'.encode('utf-8')
map.keys()
map.keys() | list
map.values() | list
map.items() | list
map.get('k')
map.get('zz')
map.get('zz', 'd')
map.get('n', 'd')
map['k']
map.k
map.zz
map.zz is defined
map.zz.y
none.zz
none.zz.y
none['zz']
text.zz
words.zz
number.zz
words[0]
words[-1]
words[9]
words[9] is defined
words[1:]
words[:-1]
words[::-1]
words[::2]
text[1:3]
text[::-1]
text[0]
text[-1]
text[99]
messages[-1]['content']
messages[1:] | length
messages[:1][0].role
messages[::-1][0].content
words | length
text | length
map | length
none | length
text | trim
text | upper
text | lower
text | title
text | capitalize
'a<b' | escape
'a<b' | e
'a<b' | safe
text | replace('H', 'J')
'aaa' | replace('a', 'b', 2)
words | join
words | join(', ')
words | join('<')
[1, none, true] | join('-')
messages | join(',', attribute='content')
words | first
words | last
[] | first
words | reverse | list
'abc' | reverse
words | sort
[3, 1, 2] | sort(reverse=true)
['b', 'A', 'c'] | sort
messages | sort(attribute='content', reverse=true) | map(attribute='content') | list
words | unique | list
[1, 1, 2] | unique | list
words | list
text | list
map | list
map | items | list
map | dictsort
none | default('d')
undefined_thing | default('d')
empty | default('d')
empty | default('d', true)
none | d('x', true)
undefined_thing | default
number | string
words | string
none | string
real | string
'12' | int
'x' | int
'x' | int(5)
'1.5' | float
7.9 | int
2.567 | round(1)
2.5 | round
2 | round
7.1 | round(0, 'ceil')
-3 | abs
[1, 2, 3] | sum
messages | map(attribute='role') | join(',')
words | map('upper') | list
words | map('replace', 'b', 'x') | list
messages | selectattr('role', 'equalto', 'user') | list | length
messages | selectattr('role', '==', 'user') | map(attribute='content') | list
messages | selectattr('role', 'in', ['assistant']) | list | length
messages | rejectattr('role', 'equalto', 'user') | map(attribute='content') | list
messages | selectattr('tool_calls', 'defined') | list
words | select('string') | list
[1, 2, 3] | select('odd') | list
[1, 2, 3] | reject('odd') | list
[0, 1, ''] | select | list
messages | groupby('role') | length
messages | groupby('role') | map(attribute='grouper') | list
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3, 4, 5] | batch(2, 0) | list
[1, 2, 3, 4, 5] | slice(2) | list
[1, 3, 2] | max
[1, 3, 2] | min
'a\nb' | indent
'a\nb' | indent(2)
'a\nb' | indent(2, true)
'a\n\nb' | indent(2)
'a\n\nb' | indent(2, blank=true)
'a\nb' | indent(width='> ')
'a\nb' | indent(4, first=true)
'a b c d' | truncate(5)
'hello big world' | truncate(9)
'hello big world' | truncate(9, true, '..')
'hello big world' | wordwrap(6)
'ab' | center(6) ~ '|'
'<p>x</p>' | striptags
'a b/c?' | urlencode
1234567 | filesizeformat
'a' * 3
words * 2
words + ['d']
(1, 2) + (3,)
'a' + 'b'
'a' + 1
1 + 'a'
1 + true
none + 1
undefined_thing + 'x'
words + 'x'
range(3) | list
range(1, 10, 3) | list
range(3)
dict(a=1, b='x')
dict(map, z=1)
namespace(a=1).a
cycler is defined
joiner is defined
cycler('a', 'b').next()
joiner(', ')() ~ joiner(', ')()
strftime_now('%d %b %Y')
strftime_now("%Y-%m-%d")
strftime_now('%A, %B %d, %Y %H:%M:%S %p %I %j %y %a %%')
strftime_now('%-d %e|%D|%F|%T|%R')
strftime_now is defined
raise_exception is defined
raise_exception('no')
true
True
None
False
'it''s'
'a' 'b'
"\u00e9\n\t\x41"
'a\
b'
1_000
0x10
1e2
'-' * 10
[1, 2][0]
{'a': {'b': 1}}.a.b
words.append('x')
words.index('a')
words.count('a')
map.update({'z': 1})
map.pop('k')
words.copy()
map.copy()
'abc'[1:] | upper
-number
- 1 | abs
not none is none
1 if true else 2 if false else 3
loop is defined
messages[0].__class__
''.__class__
words | map('length') | list
words | sum
'x' is eq 'x'
number is gt 3
number is lt 3
'A' is upper
'a' is lower
words is sameas words
none is sameas none
yes is true
yes is false
'upper' is filter
'odd' is test
text is callable
raise_exception is callable
'a' < 'b'
[1] < [2]
1 < 'a'
none < 1
words == 'x'
'ß'.upper()
'é' | upper
'ÀB' | lower
"don't stop" | title
"don't stop".title()
'x' | default('y') | upper
'line1\nline2'.split('\n')
' a '.split(' ')
''.split(',')
''.split()
'a'.split('')
'%.3f' % 3.14159
'%5s|%-5s|' % ('a', 'b')
'%c' % 'a'
'%s %s' % number
'%i' % 3.7
'%e' % 12345.678
'%g' % 0.0001
'%s' % true
'%s' % map
2 ** 0.5
1 / 3
1.0 * 3
10 // 3.0
5 % 2.5
1e100
100000000000000000000
-0.0
1.0e-5
float('1') is defined
tiny | string
big | string
tiny ~ '|' ~ big ~ '|' ~ real
'a' ~ (tiny ~ 'b') ~ ('c' ~ (big ~ 'd'))
('a' ~ tiny) ~ 'b'
1 + 2 ~ 'x' ~ 2 * 3 ~ -1
'a' ~ none ~ undefined_thing ~ true ~ words ~ map ~ (1,) ~ reals
'a' ~ 'b' if tiny ~ '' == '1e-07' else 'c'
[tiny ~ '', 'b' ~ big]
reals
reals | join(' ')
reals | join(tiny)
reals | map('string') | list
{'tiny': tiny, 'big': [big, (tiny,)]}
{1e-7: 1e16, none: true}
(tiny, big)
odd
odd | join
odd | string
odd[0] ~ [odd[1]]
{'\u200b': '\u200b'}
[undefined_thing]
[[undefined_thing.x]] if false else [undefined_thing]
namespace(a=tiny)
namespace(a=tiny) ~ ''
'%s' % tiny
'%s' % [tiny]
'%s|%s' % (reals, {'a': big})
'%(a)s' % {'a': [tiny]}
'%s %s' | format(tiny, reals)
'%(a)s' | format(a=reals)
'{} {}'.format(tiny, reals)
'{a}'.format(a=[tiny])
reals | tojson
tiny | upper
reals | upper
none | lower
words | title
number | trim
tiny | center(10)
[tiny] | trim('[]')
true | capitalize
"<a href='x'>\"&\"</a>/" | e
"<a href='x'>\"&\"</a>/" | escape
"<&'\"" | forceescape
reals | e
map | e
none | e
'<' | e | e
'<' | e | forceescape
'<' | safe | e
['<' | e]
('<' | e) ~ '<'
'<' | e | upper
['<', '<' | e] | join('&')
text | pprint
map | pprint
tiny | pprint
{'b': 1, 'a': [2, 'x']} | pprint
words | pprint
none | pprint
'ß'.title()
'ßa ŉb ﬁx ǆ'.title()
'ΟΔΟΣ ΟΔΟΣ'.title()
"they're bill's 它a 1st".title()
'ß' | title
'ß' | capitalize
'ßX'.istitle()
'Ab Cd 它A'.istitle()
123456789012345678901234567890
123456789012345678901234567890 ~ ''
[123456789012345678901234567890]
2 ** 100
-9223372036854775808
18446744073709551616 | string
1e400
-1e400 | string
[1e400]
(1e400 - 1e400) ~ ''
1e15
1e16 + 1
1.0e-4 ~ ' ' ~ 1.0e-5
'a' ~ 1.0
2 | round ~ ''
7 / 2 ~ ''
words | sum(start=[]) if false else tiny
tiny | int ~ ''
'1e-7' | float ~ ''
reals | sum
reals | min ~ ' ' ~ reals | max
reals | first ~ ''
reals | sort
tiny | tojson ~ tiny
""".strip("\n").split("\n")

BLOCKS = [
    "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
    "{% for m in messages %}{{ loop.previtem.content }}<{{ m.content }}>{{ loop.nextitem.content }};{% endfor %}",
    "{% for m in messages %}{{ loop.previtem is defined }}{{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }}{{ loop.depth }};{% endfor %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content }}{% else %}none{% endfor %}",
    "{% for m in [] %}x{% else %}none{% endfor %}",
    "{% for m in undefined_thing %}x{% else %}none{% endfor %}",
    "{% for m in none %}x{% endfor %}",
    "{% for c in 'héy' %}{{ c }}.{% endfor %}",
    "{% for k in map %}{{ k }}.{% endfor %}",
    "{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in map | dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in map | items %}{{ k }}={{ v }};{% endfor %}",
    "{% for m in messages %}{% if loop.index == 2 %}{% continue %}{% endif %}{{ m.content }}{% endfor %}",
    "{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
    "{% for m in messages[::-1] %}{% set index = (messages | length - 1) - loop.index0 %}{{ index }}{{ m.content }}{% endfor %}",
    "{% set x = 1 %}{% for m in messages %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace(x=0, last='') %}{% for m in messages %}{% set ns.x = ns.x + 1 %}{% set ns.last = m.content %}{% endfor %}{{ ns.x }}{{ ns.last }}",
    "{% set ns = namespace() %}{% set ns.found = false %}{{ ns.found }}{{ ns.missing is defined }}",
    "{% set ns = namespace(a=1) %}{% if true %}{% set ns.a = 2 %}{% endif %}{{ ns.a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = words[0], words[1] %}{{ a }}{{ b }}",
    "{% set x %}a{{ number }}b{% endset %}{{ x | upper }}",
    "{% set x | upper %}abc{% endset %}{{ x }}",
    "{% if true %}{% set x = 5 %}{% endif %}{{ x }}",
    "{% macro f(a, b='d') %}[{{ a }}|{{ b }}|{{ c is defined }}]{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}",
    "{% macro f(a) %}{{ a }}{% if a > 0 %}{{ f(a - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, x=2) }}",
    "{% macro f(a) %}{{ a }}{{ messages[0].content }}{% endmacro %}{{ f(1) }}",
    "{% macro f(a) %}{{ caller() }}{{ a }}{% endmacro %}{% call f(1) %}x{% endcall %}",
    "{%- macro f(a) -%}\n  {{- a -}}\n{%- endmacro -%}\n[{{ f('x') }}]",
    "{% filter upper %}abc{{ words[0] }}{% endfilter %}",
    "{% with a = 1 %}{{ a }}{% endwith %}{{ a is defined }}",
    "{% raw %}{{ x }}{% endraw %}",
    "{% raw %}{% generation %}{% endraw %}",
    "{# {% generation %} #}x",
    "{{ '{% generation %}' }}",
    "{# a comment #}x{# another\n one #}\ny",
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "a\n  {% if true %}\n  b\n  {% endif %}\nc",
    "a\n  {%- if true %}\n  b\n  {%- endif %}\nc",
    "a\n  {%+ if true %}\n  b\n  {%+ endif %}\nc",
    "  {{ 'x' }}  \n  {{- 'y' -}}  \n z",
    "x\n\n",
    "x\n",
    "{{ 'a' }}\n{{ 'b' }}\n",
    "{% if true -%}\n   x\n{%- endif %}\n\n y",
    "  {# c #}  x\n  {#- c -#}  y",
    "{% if words %}a{% elif empty %}b{% else %}c{% endif %}",
    "{% if undefined_thing %}a{% else %}b{% endif %}",
    "{% if undefined_thing is defined and undefined_thing %}a{% else %}b{% endif %}",
    "{% if not undefined_thing %}a{% endif %}",
    "{% if tools is not none and tools | length > 0 %}a{% endif %}",
    "{% generation %}abc{% endgeneration %}d",
    "a{%- generation -%} abc {%- endgeneration -%} d",
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "{% set x = 1 %}{% generation %}{{ x }}{% set y = 2 %}{{ y }}{% endgeneration %}{{ y is defined }}",
    "{% set ns = namespace(x='a') %}{% generation %}{% set ns.x = 'b' %}{{ ns.x }}{% endgeneration %}{{ ns.x }}",
    "{% set ns = namespace(x='a') %}{% generation -%}  {% set ns.x = 'b' -%} {% endgeneration %}{{ ns.x }}",
    "{% set ns = namespace(n=0) %}{% for m in messages %}{%- generation -%} {% if m.role == 'user' %}{% set ns.n = ns.n + 1 %}{% endif %}{%- endgeneration -%}{% endfor %}{{ ns.n }}",
    "{% set x = ' a ' %}{% generation %}{% set x = x | trim %}[{{ x }}]{% endgeneration %}{{ x }}",
    "{% for m in messages %}{% generation %}{% set content = m.content %}{% set content = content ~ '!' %}{{ content }}{% endgeneration %}{{ content is defined }}{% endfor %}",
    "{% set a, b = 1, 2 %}{% generation %}\n{% set a, b = b, a %}\n{{ a }}{{ b }}\n{% endgeneration %}{{ a }}{{ b }}",
    "{% set ns = namespace(x=1) %}{% macro f() %}{% set ns.x = 2 %}{% endmacro %}{{ f() }}{{ ns.x }}",
    "{% set x = 1 %}{% macro f(a) %}{% set a = a + x %}{% set x = x + 1 %}{{ a }}{{ x }}{% endmacro %}{{ f(5) }}{{ x }}",
    "{% set ns = namespace(x=1) %}{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% set ns.x = 3 %}{% endcall %}{{ ns.x }}",
    "{% set ns = namespace(x=1) %}{% generation %}{% set ns.x %}b{% endset %}{% endgeneration %}{{ ns.x }}",
    "{% autoescape true %}{{ \"'<\" ~ ('<' | safe) }}{{ ['<', 1e-7] }}{{ \"'\" }}{% endautoescape %}",
    "{% set x %}{{ tiny }}{{ reals }}{% endset %}{{ x ~ big }}",
    "{% set l = [1, 2, 3] %}{% generation %}{{ l[1:] }}{{ l[:1] | length }}{% endgeneration %}",
    "{% set l = words %}{% macro f() %}{% for w in l[1:] %}{{ w }}{% endfor %}{% endmacro %}{{ f() }}",
    "{% for m in messages %}{% generation %}{% for n in messages[loop.index:] %}{{ n.content }}{{ loop.index }}{% endfor %};{% endgeneration %}{% endfor %}",
    "{% set a = 1 %}{% generation %}{% with a = a + 1 %}{{ a }}{% endwith %}{% for a in [3] %}{{ a }}{% endfor %}{{ a }}{% endgeneration %}",
    "{% set text = 'out' %}{% macro f(text='x') %}{{ text }}{% endmacro %}{{ f() }}{{ f('y') }}",
    "{% set t = 'a b' %}{% macro f(text) %}{{ text[1:] }}{{ t[1:] }}{% if not text is defined and t in t or t is not none %}{{ t if t else text }}{% endif %}{% endmacro %}{{ f('yz') }}",
    "{% set x %}{% generation %}abc{% endgeneration %}{% endset %}{{ x }}",
    "{% do words.append('x') %}{{ words }}",
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% import 'x' as y %}",
    "{% block a %}x{% endblock %}",
    "{% autoescape true %}{{ '<' }}{% endautoescape %}",
    "{% if %}",
    "{% unknown %}",
    "{{ unknown_function() }}",
    "{{ x | unknown_filter }}",
    "{{ x is unknown_test }}",
    "{{ loop.index }}",
    "{% for a in range(3) %}{% for b in range(2) %}{{ loop.index }}{{ a }}{{ b }}{% endfor %}{% endfor %}",
    "{% for a in range(2) %}{% set outer = loop %}{% for b in range(2) %}{{ outer.index }}{{ loop.index }}{% endfor %}{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
    "{% for a in words %}{{ a }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}",
    "{% for i in range(messages | length) %}{{ messages[i].content }}{% endfor %}",
    "{% set x = [1, 2] + [3] %}{{ x }}{{ x | length }}",
    "{% set x = {'a': 1} %}{{ x.a }}{{ x['a'] }}",
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '[' + message['content'] + ']' %}{{ content }}{% endfor %}",
    "{% set first = messages[0] if messages[0].role == 'system' else none %}{{ first is none }}",
    "{%- set date_string = strftime_now('%d %b %Y') if strftime_now is defined else '26 Jul 2024' -%}{{ date_string }}",
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}{{ date_string }}",
    "{%- set system_message = 'x' if false %}{{ system_message is defined }}",
    "{{ messages | tojson }}",
    "{%- for tool in tools %}{{- tool | tojson(indent=4) }}{{- '\\n\\n' }}{%- endfor %}",
    "{{ {'name': 'f', 'arguments': map} | tojson }}",
    "{%- set a = 'x' %}{{- '{\"name\": \"' + a + '\"}' }}",
]

found = []
for source in [f"{{{{ {expression} }}}}" for expression in EXPRESSIONS] + BLOCKS:
    try:
        # A copy, as templates may change what they are given.
        text = chat_templates._compile_jinja_template(source).render(**json.loads(json.dumps(VARIABLES)))
    except Exception:
        text = None
    found.append({"template": source, "text": text})
lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in found)
folder = pathlib.Path(__file__).parent
(folder / "dialect.json").write_text(json.dumps({"variables": VARIABLES, "cases": []}, ensure_ascii=False).replace("[]}", "[\n" + lines + "\n]}") + "\n")
