"""What scripts return and what redis.call gives them, and the `redis` table, as in Redis."""

from __future__ import annotations

from .harness import Pair
from .script_lines import run_lines


def test_lua_values_become_the_same_replies(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        return 1
        return 1.9
        return -1.9
        return 1e30
        return -1e30
        return 0/0
        return 9007199254740993
        return 9223372036854775807
        return 'text'
        return ''
        return 'a\nb\r\n\0c'
        return true
        return false
        return nil
        return
        return function() end
        return coroutine.create(function() end)
        return {}
        return {1,2,3}
        return {'a',1e30,-1e30}
        return {'a',0/0,1/0}
        return {'a',9007199254740993,-1e15}
        return {'a',double=1}
        return {'a',map={b=1}}
        return {'a',set={b=true}}
        return {'a',big_number='1'}
        return {'a',verbatim_string={string='x',format='txt'}}
        return {1,2,{3,{err='x y'}},{ok='z'},false,true,1.9,-1.9,nil,4}
        return {'a',nil,'c'}
        return {[1]='a',[3]='c',x=1}
        return {1,2},3
        """,
    )


def test_arrays_with_other_values_in_their_midst_become_the_same_replies(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        return {1,{2,{3}},4}
        return {'a',{ok='b'},{err='C d'},'e'}
        return {'a',function() end,'b'}
        return {'a',true,'b',false,'c'}
        return {true,'a',false}
        redis.setresp(3) return {'a',true,'b',false,'c'}
        redis.setresp(3) return true
        redis.setresp(3) return false
        return {'a',-0.5,2^53,-2^63,2^63,0/0,'b'}
        return setmetatable({1,2},{})
        return setmetatable({},{__index={1,2}})
        return setmetatable({},{__index={ok='a',err='b'}})
        return setmetatable({ok='a'},{__index={err='b'}})
        local t = {} for i = 1, 300 do t[i] = i end return t
        local t = {} for i = 1, 301 do t[i] = i end return t
        local t = {} for i = 1, 302 do t[i] = i end t[302] = {} return t
        """,
    )


def test_every_table_that_a_call_returns_is_a_new_one(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        local a, b = redis.call('set','k',1), redis.call('set','k',2) a.x = 1 return {b.x}
        local a = redis.call('set','k',1) a.ok = 'no' return redis.call('set','k',1)
        local t = {} for i = 1, 99 do t[i] = redis.call('set','k',i) t[i].ok = i end return t[9].ok
        local n = 0 for i = 1, 99 do n = n + #redis.call('set','k',i).ok end return n
        redis.call('rpush','l','a','b') return 1
        local a = redis.call('lrange','l',0,-1) a[1] = 'z' return redis.call('lrange','l',0,-1)
        local a = redis.call('lrange','l',0,-1) redis.call('lrange','l',0,0) return a
        return coroutine.wrap(function() return redis.call('set','k',1) end)()
        local f = function() for i = 1, 70 do a = redis.call('set','k',1) end end return f()
        local n = 0 coroutine.wrap(function() for i = 1, 70 do redis.call('set','k',i) end end)()
        return coroutine.wrap(function() return redis.call('lrange','l',0,-1) end)()
        local n = 0 for i = 1, 100 do n = n + #redis.call('set','k',i).ok end return n
        return redis.call('lrange','l',0,-1)
        """,
    )


def test_tables_with_special_fields_become_the_same_replies(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        return {ok='fine'}
        return {ok='a\nb'}
        return {ok='a\0b'}
        return {ok=1}
        return {ok=1,2}
        return {err='My Err'}
        return {err='a\nb'}
        return {err='a\r\n'}
        return {err='a\0b'}
        return {err=''}
        return {err=1}
        return {err='x',ok='y'}
        return {double=1.5}
        return {double=1e300}
        return {double=1/0}
        return {double='1'}
        return {map={a=1}}
        return {map={[1]='x'}}
        return {map={}}
        return {map=1}
        return {set={a=true}}
        return {set={}}
        return {set={[{1}]=true}}
        return {big_number='1234567890123456789012345678901234567890'}
        return {big_number='1\r\n2'}
        return {big_number=1}
        return {verbatim_string={format='txt',string='hi'}}
        return {verbatim_string={format='t',string='hi'}}
        return {verbatim_string={format='markdown',string='hi'}}
        return {verbatim_string={string='hi'}}
        return {verbatim_string={format='txt'}}
        return {verbatim_string='x'}
        return {{double=2},{map={a={1,2}}},{set={b=true}},{big_number='7'},{{{}}}}
        return setmetatable({}, {__index=function() return 'x' end})
        local a = {} for i=1,500 do a[i]=i end return a
        local a = {} for i=1,500 do a[i]='v'..i end return a
        return string.rep('x', 20000)
        return {string.rep('x', 20000), string.rep('y', 70000)}
        """,
    )


def test_results_follow_the_protocol_that_the_script_asked_for(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        redis.setresp(3) return true
        redis.setresp(3) return false
        redis.setresp(3) return {true,false,nil}
        redis.setresp(3) return {true,false,1}
        redis.setresp(3) return {double=1.5}
        redis.setresp(3) return {map={a=true}}
        redis.setresp(3) redis.setresp(2) return {true,false}
        return {true,false}
        """,
    )


def test_replies_of_commands_become_the_same_lua_values(pair: Pair) -> None:
    pair.same_script("""
        SET s text
        SET n 17
        RPUSH l a b c
        HSET h f v
        SADD u one
        ZADD z 1.5 m 3 n
    """)
    run_lines(
        pair,
        r"""
        return redis.call('get','s')
        return redis.call('get','missing')
        return redis.call('get','missing') == false
        return redis.call('incr','n')
        return type(redis.call('incr','n'))
        return redis.call('lrange','l',0,-1)
        return #redis.call('lrange','l',0,-1)
        return redis.call('mget','s','missing','n')
        return redis.call('hgetall','h')
        return redis.call('smembers','u')
        return redis.call('zrange','z',0,-1,'withscores')
        return redis.call('zscore','z','m')
        return type(redis.call('zscore','z','m'))
        return redis.call('set','s','t')
        return redis.call('set','s','t').ok
        return redis.call('ping')
        return redis.call('type','s')
        return redis.call('object','encoding','n')
        return redis.call('echo','x')
        return redis.call('lpop','missing')
        return redis.call('lpop','missing',2)
        return redis.call('blpop','missing',0)
        return redis.call('brpoplpush','missing','x',0)
        return redis.call('bzpopmin','missing',0)
        return redis.call('zpopmin','missing')
        return redis.call('exists','s','s')
        return redis.call('incrbyfloat','f',1.5)
        return redis.call('hincrbyfloat','h','f2',1.5)
        return redis.call('config','get','maxmemory-policy')
        return redis.call('time')[1] ~= nil
        return redis.call('set','k','v','nx','get')
        return redis.call('geoadd','g',1,2,'m') and redis.call('geopos','g','m','x')
        """,
    )


def test_replies_of_commands_become_the_same_lua_values_under_resp3(pair: Pair) -> None:
    pair.same_script("""
        SET s text
        HSET h f v g w
        SADD u one
        ZADD z 1.5 m 3 n
    """)
    run_lines(
        pair,
        r"""
        redis.setresp(3) return redis.call('get','missing') == nil
        redis.setresp(3) return redis.call('get','missing')
        redis.setresp(3) return type(redis.call('mget','missing','s')[1])
        redis.setresp(3) return redis.call('hgetall','h').map.f
        redis.setresp(3) return redis.call('hgetall','missing')
        redis.setresp(3) return redis.call('smembers','u').set.one
        redis.setresp(3) return redis.call('smembers','u')
        redis.setresp(3) return redis.call('zscore','z','m').double
        redis.setresp(3) return redis.call('zscore','z','m')
        redis.setresp(3) return redis.call('zrange','z',0,-1,'withscores')
        redis.setresp(3) return redis.call('zrange','z',0,-1,'withscores')[1][2].double
        redis.setresp(3) return redis.call('config','get','hz').map.hz
        redis.setresp(3) return type(redis.call('lolwut').verbatim_string.string)
        redis.setresp(3) return redis.call('set','s','t').ok
        redis.setresp(3) return redis.call('blpop','missing',0) == nil
        redis.setresp(3) local r = redis.call('memory','stats') return type(r.map['peak.allocated'])
        redis.setresp(3) redis.setresp(2) return redis.call('zscore','z','m')
        return redis.call('zscore','z','m')
        """,
    )


def test_arguments_of_calls_are_strings_and_numbers(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        return redis.call('set','a',1) and redis.call('get','a')
        return redis.call('set','a',1.5) and redis.call('get','a')
        return redis.call('set','a',0.1) and redis.call('get','a')
        return redis.call('set','a',-7) and redis.call('get','a')
        return redis.call('set','a',1e15) and redis.call('get','a')
        return redis.call('set','a',123456789012345678) and redis.call('get','a')
        return redis.call('set','a',12345678901234567) and redis.call('get','a')
        return redis.call('set','a',1e17) and redis.call('get','a')
        return redis.call('set','a',1e100) and redis.call('get','a')
        return redis.call('set','a',0/0) and redis.call('get','a')
        return redis.call('set','a',-(0/0)) and redis.call('get','a')
        return redis.call('set','a',1/0) and redis.call('get','a')
        return redis.call('set','a',-1/0) and redis.call('get','a')
        return redis.call('set','a','x\0y') and redis.call('get','a')
        return redis.call('set','a',nil)
        return redis.call('set','a',true)
        return redis.call('set','a',{})
        return redis.call('set','a',print)
        return redis.call({})
        return redis.call()
        return redis.pcall()
        return redis.pcall({})
        return redis.call('SeT','a','b')
        local t = {} for i=1,300 do t[i]='k'..i end return #redis.call('mget', unpack(t))
        local t = {} for i=1,7000 do t[i]='k'..i end return redis.call('del', unpack(t))
        """,
    )


def test_errors_of_calls_have_the_same_text_and_place(pair: Pair) -> None:
    pair.same("SET", "a", "x")
    run_lines(
        pair,
        r"""
        return redis.call('foo')
        return redis.pcall('foo')
        return redis.call('get')
        return redis.call('get','a','b')
        return redis.call('object')
        return redis.call('object','foo','bar')
        return redis.call('lpush','a','x')
        redis.call('lpush','a','x')
        local r = redis.call('lpush','a','x') return r
        return redis.pcall('lpush','a','x')
        return {redis.pcall('lpush','a','x'), 1}
        return redis.pcall('lpush','a','x').err
        return redis.pcall('lpush','a','x').ignore_error_stats_update
        return {pcall(redis.call,'lpush','a','x')}
        return {pcall(redis.call,'foo')}
        return {pcall(redis.call)}
        return {pcall(redis.pcall,'foo')}
        return {xpcall(function() redis.call('foo') end, function(e) return type(e) end)}
        return {xpcall(function() redis.call('foo') end, function(e) return e.err end)}
        local f = function() return redis.call('foo') end return f()
        return redis.call('eval','return 1',0)
        return redis.call('evalsha','x',0)
        return redis.call('script','load','x')
        return redis.call('subscribe','a')
        return redis.call('multi')
        return redis.call('exec')
        return redis.call('watch','a')
        return redis.call('auth','x')
        return redis.call('hello')
        return redis.call('client','id')
        return redis.call('config','set','maxmemory','0')
        return redis.call('monitor')
        return redis.call('shutdown')
        return redis.call('debug','sleep',0)
        return redis.call('blpop')
        return redis.call('select','x')
        """,
    )


def test_the_redis_table_answers_the_same(pair: Pair) -> None:
    run_lines(
        pair,
        r"""
        return redis.error_reply('foo')
        return redis.error_reply('My Err')
        return redis.error_reply('-My Err')
        return redis.error_reply('-foo')
        return redis.error_reply('')
        return redis.error_reply('a\nb')
        return redis.error_reply()
        return redis.error_reply(1)
        return redis.error_reply('a','b')
        return redis.error_reply('My Err').err
        return redis.status_reply('x')
        return redis.status_reply('a\nb')
        return redis.status_reply(1)
        return redis.status_reply()
        return redis.status_reply('x').ok
        return redis.sha1hex()
        return redis.sha1hex(1)
        return redis.sha1hex(1.5)
        return redis.sha1hex('')
        return redis.sha1hex('a','b')
        return redis.sha1hex(nil)
        return redis.sha1hex({})
        return redis.log()
        return redis.log(1)
        return redis.log(1,'x')
        return redis.log(1,'x',2,{})
        return redis.log('a','x')
        return redis.log('1','x')
        return redis.log(9,'x')
        return redis.log(-1,'x')
        return redis.setresp()
        return redis.setresp(1,2)
        return redis.setresp(4)
        return redis.setresp('a')
        return redis.setresp('3')
        return redis.setresp(3)
        return redis.set_repl()
        return redis.set_repl(1,2)
        return redis.set_repl(9)
        return redis.set_repl(-1)
        return redis.set_repl('x')
        return redis.set_repl(redis.REPL_NONE)
        return redis.replicate_commands()
        return redis.replicate_commands(1)
        return tostring(redis.breakpoint())
        return redis.debug('a')
        return redis.debug()
        return redis.acl_check_cmd()
        return redis.acl_check_cmd('get','x')
        return redis.acl_check_cmd('get')
        return redis.acl_check_cmd('foo')
        return redis.acl_check_cmd({})
        return {redis.REDIS_VERSION, redis.REDIS_VERSION_NUM}
        return {redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING}
        return {redis.REPL_ALL, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA}
        return redis.REPL_NONE
        return redis.nothing
        """,
    )
