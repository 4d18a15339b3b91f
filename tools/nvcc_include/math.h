#include_next <math.h>
#ifdef __cplusplus
#include <__type_traits/promote.h>
#endif
