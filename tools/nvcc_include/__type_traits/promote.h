#pragma once
#include_next <__type_traits/promote.h>

_LIBCPP_BEGIN_NAMESPACE_STD
template <class... Types>
using __promote_t = typename __promote<Types...>::type;
_LIBCPP_END_NAMESPACE_STD
